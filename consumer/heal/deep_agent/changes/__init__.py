"""Change requests: where workflows are code, an approved patch goes to people as a diff, and is waited for.

`rendering.py` builds the request and its calls, `sending.py` sends it (or writes the file) and waits until it is
merged, `latest.py` then has the failed run go on upon the newest version, `state.py` is what a crash leaves behind,
`session.py` what they share.
Neighbours: `deep_agent/strategy.py` hands over what a person has approved and code has proven once more.
Invariant: one patch opens one request, whatever is repeated: its key is made of the failure and the patch. Nothing is
run before somebody has merged it.
"""
