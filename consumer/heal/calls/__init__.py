"""HTTP retry toolkit shared by strategies: request, verdict on the status, verification, read-back, hand-over.

`request.py` builds the call of an event, `status_verdict.py` judges what an answer means for an effect, `verify.py`
checks whether it is the answer that was missing, `read_back.py` checks whether an effect happened, `earlier_tries.py`
reads the event's evidence of tries before ours, `handover.py` passes the answer to the run. Invariant: an un-keyed
effect that may have happened is never made again.
"""
