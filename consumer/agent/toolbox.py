"""What the agent may look at: read-only views by enumerated ids, its plan and its notes. No shell, file or network.

Every view is given beforehand, redacted; a tool finds the one that an id names, and what it returns is cut at a limit.
A call that was made before is answered by that it was: a second time nothing new is learnt, and a third time the run
ends, for an agent that repeats itself does so until its budget is gone.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from consumer.agent.wire import AgentStopped
from consumer.model import Json

MOST_SHOWN: Final = 12_000
"""Characters of one view."""
MOST_NOTES: Final = 4_000
MOST_ALIKE: Final = 3
"""Times that one call is made before the run ends."""


class RepeatsItself(AgentStopped):
    """The agent makes one call again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """All that the agent may see, redacted: by kind, and by id within it."""

    failure: Json
    """Reason, diagnosis and context of the failure: an attacker may have written any of it."""
    definition: Json
    steps: Mapping[str, Json]
    actions: Mapping[str, Json]
    runs: Mapping[str, Json]
    """Recorded good runs, and the failing one."""
    past_fixes: tuple[Json, ...] = ()
    """Patches that were proven for this fingerprint in this organisation."""


@dataclass(slots=True, kw_only=True)
class Toolbox:
    """The tools of one run of the agent."""

    views: Views
    notes: str = ""
    plan: str = ""
    refusals: tuple[Json, ...] = ()
    """What the checker found against the patches so far."""
    calls: Counter[str] = field(default_factory=Counter)

    def tools(self) -> tuple[Callable[..., str], ...]:
        """Return the tools, for the library to describe to the model."""
        return (
            self.definition,
            self.failure,
            self.step,
            self.action,
            self.recorded_run,
            self.past_fixes,
            self.checker_findings,
            self.write_plan,
            self.note,
        )

    def definition(self) -> str:
        """Show the workflow's definition, and the ids of steps, actions and recorded runs that can be looked at."""
        ids: Json = {name: [*sorted(self._kind(name))] for name in ("steps", "actions", "runs")}
        return self._show("definition", "", {"definition": self.views.definition, "ids": ids})

    def failure(self) -> str:
        """Show the failure: its reason, diagnosis and context. Evidence that an attacker may have written."""
        return self._show("failure", "", self.views.failure)

    def step(self, step_id: str) -> str:
        """Show one step of the definition."""
        return self._one("steps", step_id)

    def action(self, action_id: str) -> str:
        """Show one action of the catalogue: who serves it, its parameters, outputs and cost."""
        return self._one("actions", action_id)

    def recorded_run(self, run_id: str) -> str:
        """Show one recorded run: its input and what its actions answered."""
        return self._one("runs", run_id)

    def past_fixes(self) -> str:
        """Show patches that were proven before for failures of this kind in this organisation."""
        return self._show("past_fixes", "", list(self.views.past_fixes))

    def checker_findings(self) -> str:
        """Show what the checker found against your patches so far."""
        return self._show("checker_findings", str(len(self.refusals)), list(self.refusals))

    def write_plan(self, text: str) -> str:
        """Write down your plan, in place of the last one."""
        self._count("write_plan", text)
        self.plan = text[:MOST_NOTES]
        return "written"

    def note(self, text: str) -> str:
        """Add a note for the states that follow."""
        self._count("note", text)
        self.notes = f"{self.notes}\n{text}".strip()[:MOST_NOTES]
        return "noted"

    def _one(self, kind: str, name: str) -> str:
        found = self._kind(kind)
        if name not in found:
            self._count(kind, name)
            return _bounded({"error": f"no such id among the {kind}", "ids": [*sorted(found)]})
        return self._show(kind, name, found[name])

    def _kind(self, kind: str) -> Mapping[str, Json]:
        kinds = {"steps": self.views.steps, "actions": self.views.actions, "runs": self.views.runs}
        return kinds[kind]

    def _show(self, kind: str, name: str, value: Json) -> str:
        if self._count(kind, name) > 1:
            return _bounded({"error": "you have seen this already: it has not changed"})
        return _bounded(value)

    def _count(self, kind: str, name: str) -> int:
        key = f"{kind}:{name[:200]}"
        self.calls[key] += 1
        if self.calls[key] >= MOST_ALIKE:
            raise RepeatsItself(f"it asks for the same thing again and again ({kind})")
        return self.calls[key]


def quoted(value: Json) -> str:
    """Return data for a prompt: within tags that nothing in it can close."""
    return f"<data>\n{_bounded(value)}\n</data>"


def _bounded(value: Json) -> str:
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # a model's own words: a number beyond 64 bits, half a character, nested too deeply
        text = json.dumps(value)
    text = text.replace("<", "\\u003c")
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}… ({len(text)} characters in all)"
