"""The agent: a language model that proposes another definition, or says what is broken, within a hard budget.

`wire.py` is the only way to a model: each call is reserved in the token ledger and permitted by the claim's gate before
it leaves through the guarded client, and settled by what its answer tells; `model.py` puts the library's client on it.
`conversation.py` holds one conversation; `answers.py` is what it may answer, `prompts/` what it is told, `toolbox.py`
what it may look at, `states.py` how it comes to a patch, `diagnosing.py` how it says what is broken. The library is the
package's extra `agent`; `installed.py` says what is missing.
Neighbours: `outbound/` below; `heal/deep_agent/` above, which checks, proves and carries out what it proposes.
Invariant: no byte leaves for a model that was not reserved, and nothing that it says is believed.
"""
