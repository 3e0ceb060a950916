"""Attacks of one organisation on a running consumer: hostile events, answers, database sessions and API clients.

Each attack is a coroutine over a `Site` (`site.py`), which knows the addresses of the run; `suite.py` lists them with
what each shows. `far_side.py` is the other side of the heals' calls, honest and hostile. `scenarios/attacks.py` runs
them beside an honest organisation and judges what that one notices.
"""
