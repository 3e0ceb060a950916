"""Media stores: immutable objects under their digest, and the pointer of an asset changed by compare-and-set.

`contract.py` has the values, `store.py` puts, looks and swaps, `read_back.py` fetches an asset as its users do and says
whether it is the new one; `places.py` builds the calls to S3 and to servers that take a PUT, `keys.py` keys and URLs,
`answers.py` reads what came back, `configured.py` creates the stores of the catalog in force.
Neighbours: `outbound/` makes the calls and signs them, `runners/templates.py` renders described ones; strategies that
make assets above.
Invariant: a pointer is only ever moved to an object that was put in whole, and only from the version that was seen.
"""
