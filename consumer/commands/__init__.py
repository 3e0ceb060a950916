"""Commands of a supervisor: whose signature counts, what it may ask for, and how each kind is carried out.

`keys.py` reads the key file (who may ask for what, where), `signed.py` turns a record into an order, a refusal that is
answered, or a dead letter; `execute.py` carries an order out, one function for each kind.
Neighbours: `pipeline/commands.py` feeds it from Kafka; `store/` has the SQL, `results/command.py` the answers.
Invariant: nothing outside the signature counts, and an id is carried out at most once.
"""
