"""Authority: a patch gives a workflow nothing that neither it nor the limits had, and no dearer run."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from consumer.workflows.catalogue import ActionSpec, Place
from consumer.workflows.checks.change import DefinitionChange, DefinitionLeaf, leaves
from consumer.workflows.definition import DefinedStep, Definition

Found = Sequence[tuple[str, str]]
_AUTHORITY: Final = re.compile(r"(?:^|[^:/\w])(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}([^/\\?#\s\"'<>]*)", re.IGNORECASE)
_BARE_HOST: Final = re.compile(
    r"(?<![\w.@-])((?:[\w-]{1,63}\.)+(?:[a-z]{2,24}|xn--[\w-]+)|localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])(?![\w-])",
    re.IGNORECASE,
)
_TEMPLATE: Final = re.compile(r"\$\{[^{}]*\}")
_SECRET: Final = re.compile(r"secret://([A-Za-z0-9_.-]*)")


def engines(change: DefinitionChange) -> Found:
    """Each step's engine is approved and serves its action."""
    approved = {*change.limits.engines, *(step.engine for step in change.before.steps)}
    found = []
    for number, step in enumerate(change.after.steps):
        places = [(f"/steps/{number}/engineType", step.engine, step.action)]
        if step.compensation is not None:
            undo = step.compensation
            places.append((f"/steps/{number}/compensation/engineType", undo.engine, undo.action))
        for where, engine, action in places:
            spec = change.spec(action)
            if engine not in approved:
                found.append((where, f"{engine} is not an approved engine"))
            elif spec is not None and engine not in spec.engines:
                found.append((where, f"{engine} does not serve {action}"))
    return found


def hosts(change: DefinitionChange) -> Found:
    """No new host, and none that is put together when the workflow runs."""
    known = {host for leaf in leaves(change.before) for host in hosts_in(leaf)} | set(change.limits.hosts)
    known |= {
        host
        for spec in change.limits.actions.values()
        for parameter in spec.parameters.values()
        for each in parameter.values
        if isinstance(each, str)
        for host in _hosts_of_text(each)
    }
    found = []
    for leaf in change.new_leaves:
        new = [host for host in hosts_in(leaf) if host not in known]
        if new:
            found.append((leaf.where, "names a host that neither the definition nor the limits have"))
        elif isinstance(leaf.found, str) and "${" in leaf.found and change.parameter(leaf).place is Place.HOST:
            found.append((leaf.where, "where a host stands, nothing is filled in by the run"))
    return found


def hosts_in(leaf: DefinitionLeaf) -> Iterator[str]:
    """Yield the hosts that a leaf names, in lower case."""
    if isinstance(leaf.found, str):
        yield from _hosts_of_text(leaf.found)


def _hosts_of_text(text: str) -> Iterator[str]:
    for found in _AUTHORITY.finditer(text):
        yield found[1].rpartition("@")[2].lower()
    # What the run fills in may be a label of a host.
    for found in _BARE_HOST.finditer(_TEMPLATE.sub("xx", text)):
        yield found[1].lower()


def credentials(change: DefinitionChange) -> Found:
    """A secret goes where it went before, or is one that the limits give to any step."""
    known = {
        (change.root(leaf.action), leaf.parameter, name)
        for leaf in leaves(change.before)
        if isinstance(leaf.found, str)
        for name in _SECRET.findall(leaf.found)
    }
    return [
        (leaf.where, f"the secret {name[:60]} was not given to {leaf.action or 'this place'} before")
        for leaf in change.new_leaves
        if isinstance(leaf.found, str)
        for name in _SECRET.findall(leaf.found)
        if name not in change.limits.credentials and (change.root(leaf.action), leaf.parameter, name) not in known
    ]


def privileges(change: DefinitionChange) -> Found:
    """No action of a new privilege, no agent that could not have it done before, no more effects than before."""
    found = []
    allowed = {*change.limits.privileges, *(_privilege(change, step) for step in change.before.steps), None}
    agents = {(change.root(step.action), step.agent) for step in change.before.steps}
    for number, step in enumerate(change.after.steps):
        privilege, spec = _privilege(change, step), change.spec(step.action)
        if privilege not in allowed:
            found.append((f"/steps/{number}/action", f"needs the privilege {privilege}"))
        known = (change.root(step.action), step.agent) in agents or (spec is not None and step.agent in spec.agents)
        # A new step that no agent has done is the engine's own work, where the catalogue names nobody for it.
        known = known or not (step.agent or step.id in change.before.by_id or (spec is not None and spec.agents))
        if not known:
            who = step.agent[:60] or "nobody"
            found.append((f"/steps/{number}/agentName", f"{who} may not have {step.action} done"))
    more = _effects(change, change.after) - _effects(change, change.before)
    return [*found, *(("/steps", f"{action} would be done more often than before") for action in sorted(more))]


def _privilege(change: DefinitionChange, step: DefinedStep) -> str | None:
    spec = change.spec(step.action)
    return None if spec is None else spec.privilege


def _effects(change: DefinitionChange, definition: Definition) -> Counter[str]:
    return Counter(
        change.root(step.action)
        for step in definition.steps
        if (spec := change.spec(step.action)) is not None and spec.effect
    )


def limits(change: DefinitionChange) -> Found:
    """No retries, repeats, time or budget beyond what the definition had or the limits give."""
    found = []
    most = change.limits
    if len(change.after.steps) > max(most.max_steps, len(change.before.steps)):
        found.append(("/steps", f"more than {most.max_steps} steps"))
    for number, step in enumerate(change.after.steps):
        old = change.before.by_id.get(step.id)
        found.extend((f"/steps/{number}/{where}", why) for where, why in _step_limits(change, step, old))
    for name, new, before in (
        ("maxCost", change.after.budget.max_cost, change.before.budget.max_cost),
        ("maxSeconds", change.after.budget.max_seconds, change.before.budget.max_seconds),
    ):
        if before is not None and (new is None or new > before):
            found.append((f"/budget/{name}", "raises what a run may cost"))
    return found


def _step_limits(change: DefinitionChange, step: DefinedStep, old: DefinedStep | None) -> Iterator[tuple[str, str]]:
    most, spec = change.limits, change.spec(step.action)
    before = 0 if old is None else old.retries
    if step.retries > max(most.max_retries, before):
        yield "retries", f"more than {most.max_retries} retries"
    elif step.retries > before and spec is not None and spec.effect and not spec.idempotent:
        yield "retries", f"{step.action} has an effect that a retry would make twice"
    repeats = 1 if step.repeat is None else step.repeat.at_most or 0
    had = 1 if old is None or old.repeat is None else old.repeat.at_most or most.max_repeats
    if repeats > max(most.max_repeats, had):
        yield "repeat/atMost", f"repeats more than {most.max_repeats} times"
    elif repeats > had and spec is not None and spec.effect and not spec.idempotent:
        yield "repeat/atMost", f"{step.action} has an effect that each repetition makes again"
    allowed = most.max_timeout_seconds if old is None or old.timeout_seconds is None else old.timeout_seconds
    if (step.timeout_seconds or 0) > max(most.max_timeout_seconds, allowed):
        yield "timeoutSeconds", f"waits longer than {most.max_timeout_seconds} s"
    if old is not None and old.timeout_seconds is not None and step.timeout_seconds is None:
        yield "timeoutSeconds", "waits without an end"


def cost(change: DefinitionChange) -> Found:
    """The dearest run (each step tried and repeated as often as it may) stays within budget and limits."""
    most = change.limits.max_cost
    if change.after.budget.max_cost is not None:
        most = min(most, change.after.budget.max_cost)
    dearest = dearest_run(change.after, change.limits.actions)
    return [("/steps", f"a run may cost {dearest}, and {most} is the most")] if dearest > most else ()


def dearest_run(definition: Definition, actions: Mapping[str, ActionSpec]) -> int:
    """Return what a run costs at most."""
    return sum(_dearest(step, actions.get(step.action)) for step in definition.steps)


def _dearest(step: DefinedStep, spec: ActionSpec | None) -> int:
    repeats = 1 if step.repeat is None else step.repeat.at_most or 1
    return 0 if spec is None else spec.cost * (1 + step.retries) * repeats
