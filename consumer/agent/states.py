"""The agent's run: understand, collect, propose, check, each bounded, and each an end of its own where nothing comes.

A state is one conversation with its own instructions, tools and typed answers. What passes from one to the next is
bounded and kept (`Progress`), so that whoever goes on after a crash begins no state anew that had ended. A patch is
checked by code; what it finds goes back as it is. What nothing speaks against is shown to a critic with a context of
its own, whose objection asks for another patch while one may be proposed, and stands beside the patch otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from consumer.agent.answers import (
    AgentAnswer,
    Collected,
    Criticised,
    GivesUp,
    NeedInfo,
    Patch,
    Proposal,
    Understood,
)
from consumer.agent.conversation import Conversation, converse
from consumer.agent.prompts import prompt
from consumer.agent.toolbox import Toolbox, quoted
from consumer.agent.wire import AgentStopped, Spending
from consumer.catalog import AgentLimits
from consumer.model import Json, JsonObject

if TYPE_CHECKING:
    from pydantic_ai.models import Model

State: TypeAlias = Literal["understand", "collect", "propose", "criticise"]
_TOLD: Final = 2000
_SHOWN: Final = ("understand", "collect", "propose")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: what its ended states came to."""

    state: Literal["understand", "collect", "propose"] = "understand"
    hypothesis: str = ""
    cause: str = ""
    proposals: int = 0
    """Patches that were proposed so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A patch that code has nothing against, and what the critic says of it."""

    patch: Patch
    objections: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broke:
    """The run came to no answer: its budget or its time is over, or the model answers nonsense, or not at all."""

    reason: str


AgentEnd: TypeAlias = Checked | NeedInfo | GivesUp | Broke
Judge: TypeAlias = Callable[[Sequence[JsonObject]], Awaitable[tuple[Json, ...]]]
"""Returns what speaks against a patch, each with the name of its check; nothing where it may be offered."""
Keep: TypeAlias = Callable[[Progress], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class AgentRun:
    """One run of the agent."""

    model: "Model"
    limits: AgentLimits
    spending: Spending
    toolbox: Toolbox
    judge: Judge
    keep: Keep
    refusals: list[Json] = field(default_factory=list)

    async def run(self, progress: Progress) -> AgentEnd:
        """Go on from where the run stands to an answer; raises what the claim's gate, or the database, raised."""
        try:
            async with asyncio.timeout(self.limits.longest.total_seconds()):
                return await self._states(progress)
        except TimeoutError:
            return Broke(reason=f"it came to no answer within {self.limits.longest}")
        except AgentStopped as stopped:
            return Broke(reason=str(stopped))

    async def _states(self, progress: Progress) -> AgentEnd:
        if progress.state == "understand":
            understood: Understood | GivesUp = await self._ask(
                "understand", (Understood, GivesUp), quoted(self.toolbox.views.failure)
            )
            if isinstance(understood, GivesUp):
                return understood
            looks = ", ".join(understood.look_at)
            told = f"{understood.hypothesis} (look at: {looks})" if looks else understood.hypothesis
            progress = replace(progress, state="collect", hypothesis=told[:_TOLD])
            await self.keep(progress)
        if progress.state == "collect":
            question = quoted({"hypothesis": progress.hypothesis})
            collected: Collected | NeedInfo | GivesUp = await self._ask(
                "collect", (Collected, NeedInfo, GivesUp), question
            )
            if not isinstance(collected, Collected):
                return collected
            told = f"{collected.cause} {collected.findings} {self.toolbox.notes}"
            progress = replace(progress, state="propose", cause=told[:_TOLD])
            await self.keep(progress)
        return await self._proposals(progress)

    async def _proposals(self, progress: Progress) -> AgentEnd:
        refused: set[str] = set()
        while progress.proposals < self.limits.proposals:
            known: Json = {"hypothesis": progress.hypothesis, "cause": progress.cause, "refused": self.refusals[-3:]}
            # It may look at everything once more: what it saw before was another conversation.
            self.toolbox.calls.clear()
            proposal: Proposal = await self._ask("propose", (Patch, NeedInfo, GivesUp), quoted(known))
            if not isinstance(proposal, Patch):
                return proposal
            progress = replace(progress, proposals=progress.proposals + 1)
            await self.keep(progress)
            if str(proposal.operations) in refused:
                return Broke(reason="it proposes a patch again that was refused")
            refused.add(str(proposal.operations))
            found = await self.judge(proposal.operations)
            if found:
                self._refuse(proposal, found)
                continue
            critic = await self._criticise(proposal)
            if critic.verdict == "accept":
                return Checked(patch=proposal)
            if progress.proposals >= self.limits.proposals:
                return Checked(
                    patch=proposal, objections=critic.objections or "the critic objects, and does not say to what"
                )
            self._refuse(proposal, ({"rule": "critic", "why": critic.objections},))
        return Broke(reason=f"none of {progress.proposals} patches held: {_names(self.refusals)}")

    def _refuse(self, proposal: Patch, found: tuple[Json, ...]) -> None:
        self.refusals.append({"patch": list(proposal.operations), "findings": list(found)[:10]})
        self.toolbox.refusals = tuple(self.refusals)

    async def _criticise(self, proposal: Patch) -> Criticised:
        shown: Json = {
            "definition": self.toolbox.views.definition,
            "patch": list(proposal.operations),
            "hypothesis": proposal.hypothesis,
            "risk": proposal.risk,
        }
        said: Criticised = await self._ask("criticise", (Criticised,), quoted(shown))
        return said

    async def _ask(self, state: State, answers: Sequence[type[AgentAnswer]], question: str) -> Any:  # noqa: ANN401
        """Hold one conversation; returns one of `answers`, raises AgentStopped where none comes."""
        talk = Conversation(
            instructions=prompt(state) if state == "criticise" else f"{prompt('common')}\n{prompt(state)}",
            question=question,
            answers=answers,
            turns=self.limits.turns,
            tools=self.toolbox.tools() if state in _SHOWN[1:] else (),
        )
        return await converse(self.model, self.spending, talk)


def _names(refusals: Sequence[Json]) -> str:
    """Return which checks refused the patches."""
    rules = [
        str(one.get("rule"))
        for refusal in refusals
        if isinstance(refusal, dict) and isinstance(found := refusal.get("findings"), list)
        for one in found
        if isinstance(one, dict)
    ]
    return ", ".join(dict.fromkeys(rules)) or "no check is named"
