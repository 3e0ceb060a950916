"""One conversation with a model: its instructions, its tools, its typed answers, and bounds on all of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from consumer.agent.answers import AgentAnswer
from consumer.agent.wire import AgentStopped, Spending
from consumer.errors import ShwError

if TYPE_CHECKING:
    from pydantic_ai.models import Model

_TOOLS_OF_ONE_TURN: Final = 4


class NoAnswerCame(AgentStopped):
    """The model, or its provider, answers nothing that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a model is told and may do, and how often it may be called."""

    instructions: str
    question: str
    answers: Sequence[type[AgentAnswer]]
    turns: int
    """Most calls of the model."""
    tools: Sequence[Callable[..., str]] = ()
    retries: int = 2
    """How often an answer of a wrong form is asked for again."""


async def converse(model: "Model", spending: Spending, talk: Conversation) -> Any:  # noqa: ANN401 - one of the answers
    """Hold one conversation; returns one of its answers, raises AgentStopped where none comes."""
    from pydantic_ai import Agent, UsageLimits  # noqa: PLC0415 - imported already, with the model

    agent: Agent[object, AgentAnswer] = Agent(
        model,
        output_type=list(talk.answers),
        instructions=talk.instructions,
        tools=talk.tools,
        retries=talk.retries,
    )
    limits = UsageLimits(request_limit=talk.turns, tool_calls_limit=talk.turns * _TOOLS_OF_ONE_TURN)
    try:
        return (await agent.run(talk.question, usage_limits=limits)).output
    except Exception as error:
        # The library raises whatever a model's nonsense makes of it: that ends this run, and is no bug of ours.
        # What our own transport raised is told as it is.
        if isinstance(error, AgentStopped) or not (spending.stopped or _is_the_models(error)):
            raise
        if spending.stopped is not None:
            raise spending.stopped from error
        raise NoAnswerCame(f"the model gave no usable answer ({type(error).__name__})") from error


def _is_the_models(error: Exception) -> bool:
    """Return whether an error comes of what a model, or its provider, answered.

    The library parses an answer as it goes, and nonsense ends it with whatever Python raises there; what is ours has
    types of its own, and what its caller did wrong one of the library's.
    """
    from pydantic_ai.exceptions import UserError  # noqa: PLC0415 - imported already, with the model

    return not isinstance(error, UserError | ShwError | MemoryError)
