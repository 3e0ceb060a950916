"""What every strategy that makes HTTP calls shares: the request, the verdict on its answer, verification, read-back.

`request.py` builds the call of an event, `status_verdict.py` says what an answer means for an effect,
`verify.py` whether it is the one that was missing, `read_back.py` looks whether an effect happened, `earlier_tries.py`
reads what the event tells of tries before ours, `handover.py` gives the answer to the run. Invariant: an un-keyed
effect that may have happened is never made again.
"""
