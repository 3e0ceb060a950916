"""auto-regenerate strategy: makes a missing image or voice again, pays once, and proves it by decoding what is served.

`strategy.py` plans and states the order, `rules.py` is what may be made and what it has to be (`parameter_faults.py`:
what the same order would meet again), `look.py` fetches what stands at the address, `relink.py` takes what was made
before, `making.py` calls generators (`jobs.py` watches theirs), `placing.py` stores, swaps and reads back; `state.py`
is what a crash leaves behind, `ports.py` what others provide.
Invariant: no call that costs begins before it is kept, and nothing counts but the bytes as users fetch them.
"""
