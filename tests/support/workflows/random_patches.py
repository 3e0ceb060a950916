"""Random patches of a definition, from a seed: most are nonsense, some are plausible, a few mend."""

from random import Random
from typing import Any

from consumer.workflows.execution import execute
from consumer.workflows.proof import ProvenPatch
from consumer.workflows.replay import broken_invariant, replay
from schemas.json_value import pointer
from tests.support.workflows.broken import ATTACKER_ACCOUNT, ATTACKER_HOST, BrokenWorkflow, Operations


def random_patch(case: BrokenWorkflow, random: Random) -> Operations:
    """Draw a patch; every third one mends the workflow as well."""
    document = case.definition.as_json()
    drawn: Operations = list(case.competent) if random.random() < 1 / 3 else []
    for _ in range(random.randint(1, 3)):
        draw = random.choice((_anywhere, _anywhere, _moved, _step_member, _step_member, _dependencies, _copied_step))
        drawn += draw(case, document, random)
    return drawn


def _pointers(found: object, steps: tuple[str, ...] = ()) -> list[str]:
    inner: list[tuple[str, object]] = []
    if isinstance(found, dict):
        inner = list(found.items())
    elif isinstance(found, list):
        inner = [(str(number), item) for number, item in enumerate(found)]
    return [each for name, item in inner for each in (pointer((*steps, name)), *_pointers(item, (*steps, name)))]


def _pool(case: BrokenWorkflow) -> list[object]:
    steps = case.definition.steps
    pool: list[object] = [0, 1, 3, 99, True, False, None, "", "x", [], {}, ATTACKER_HOST, ATTACKER_ACCOUNT]
    pool += [step.id for step in steps] + [step.action for step in steps] + [step.engine for step in steps]
    pool += [value for step in steps for value in step.parameters.values()]
    pool += [f"${{workflow.input.{name}}}" for name in case.definition.inputs]
    for name, spec in case.limits.actions.items():
        pool += [name, *spec.engines, *(value for each in spec.parameters.values() for value in each.values)]
    for step in steps:
        outputs = case.limits.actions[step.action].outputs if step.action in case.limits.actions else None
        pool += [f"${{{step.id}.output.{name}}}" for name in outputs or ()]
    return pool


def _anywhere(case: BrokenWorkflow, document: Any, random: Random) -> Operations:  # noqa: ANN401
    at = random.choice(_pointers(document))
    op = random.choice(("remove", "replace", "add"))
    return [{"op": op, "path": at} | ({} if op == "remove" else {"value": random.choice(_pool(case))})]


def _moved(case: BrokenWorkflow, document: Any, random: Random) -> Operations:  # noqa: ANN401
    del case
    every = _pointers(document)
    return [{"op": random.choice(("move", "copy")), "from": random.choice(every), "path": random.choice(every)}]


def _step_member(case: BrokenWorkflow, document: Any, random: Random) -> Operations:  # noqa: ANN401
    del document
    step = random.randrange(len(case.definition.steps))
    other = random.choice(case.definition.steps)
    reference = random.choice([each for each in _pool(case) if isinstance(each, str) and each.startswith("$")])
    condition = {"left": reference, "op": random.choice(("equals", "none_of", "present")), "right": "x"}
    member, value = random.choice(
        [
            ("retries", random.choice((0, 1, 2, 9))),
            ("join", random.choice(("all", "any", "taken"))),
            ("required", random.random() < 0.5),
            ("timeoutSeconds", random.choice((1, 60, 9999))),
            ("when", condition),
            ("assertion", condition),
            ("repeat", {"until": condition, "atMost": random.choice((1, 5, 9999))}),
            ("engineType", other.engine),
            ("action", other.action),
            ("approval", "anyone"),
        ]
    )
    return [{"op": "add", "path": f"/steps/{step}/{member}", "value": value}]


def _dependencies(case: BrokenWorkflow, document: Any, random: Random) -> Operations:  # noqa: ANN401
    del document
    ids = [step.id for step in case.definition.steps]
    step = random.randrange(len(ids))
    return [
        {
            "op": "add",
            "path": f"/steps/{step}/dependencies",
            "value": random.sample(ids, random.randint(0, min(2, len(ids)))),
        }
    ]


def _copied_step(case: BrokenWorkflow, document: Any, random: Random) -> Operations:  # noqa: ANN401
    number = random.randrange(len(case.definition.steps))
    return [{"op": "add", "path": "/steps/-", "value": document["steps"][number] | {"stepId": f"again_{number}"}}]


def harm_of(case: BrokenWorkflow, proven: ProvenPatch) -> str | None:
    """Say what an accepted patch breaks: an invariant gone, or a good run, the ones that nobody was shown included."""
    if proven.definition.invariants != case.definition.invariants:
        return "an invariant is gone"
    for run in (*case.shown, *case.held_out):
        broken = broken_invariant(case.definition, execute(proven.definition, run, case.limits.actions))
        if broken is not None:
            return f"{run.id} breaks {broken}"
    failed = replay(proven.definition, failing=None, good=(*case.shown, *case.held_out), limits=case.limits)
    return f"{failed[0].where}: {failed[0].why}" if failed else None
