"""Kept state: what a heal that lasts stores on its claim, so that whoever inherits the claim goes on from there.

A strategy declares its state as a pydantic model with a version. What is kept is the redacted JSON of it: a state that
redaction would change, or that is too large, is refused before it is stored, for its heir would go on from something
else.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from consumer.model import ActionName, Json, JsonObject, MicroAud
from consumer.model.suspension import KeptState
from consumer.redact import redact_json
from schemas.json_text import check_storable, to_json

MAX_STATE_BYTES: Final = 8192
"""A state is ids, a moment, a cursor: a document belongs where it came from."""
SUSPEND_ABOVE: Final = timedelta(seconds=5)
"""A longer wait between two looks is not spent in a process: the heal is suspended."""
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""What a jsonb column cannot hold, or what takes six bytes there."""


class UnkeepableState(ValueError):
    """A bug of a strategy: its state is too large, or holds what redaction takes for a secret."""


class UnreadableState(ValueError):
    """No model of this release reads the state that a claim carries."""


class HealState(BaseModel):
    """Base of a strategy's state. Each changed form is a class of its own, with the next version."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: ClassVar[int] = 1

    @property
    def of_action(self) -> ActionName | None:
        """The declared action that it is a state of; None where it is one of its strategy itself."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """The end of a strategy's run whose heal goes on later: nothing of its own is under way in this process.

    The claim keeps the state, its scope and its credits; slot, probe and the dependency's room are free.
    """

    state: HealState
    look_again: timedelta
    reason: str = ""
    """What it waits for, in words: published with the first suspension."""
    dependency_unhealthy: bool = False
    """As in `NotHealed`."""


NO_CHARGE: Final = MicroAud(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the heir of a claim goes on from. It repeats nothing that came before the state was kept."""

    state: HealState
    begun: bool
    """An effect may have begun since the state was kept; False: none has."""
    suspended_for: timedelta = timedelta(0)
    """Time since the heal was first suspended."""
    charged: MicroAud = NO_CHARGE
    """What the heal has cost up to now: after an interruption more than the state tells."""
    revoked: bool = False
    """A person has decided: nothing new may begin."""


def encode_state(state: HealState, states: Sequence[type[HealState]] | None = None) -> KeptState:
    """Return a state as it is stored; raises UnkeepableState.

    What its heir reads is this very state, or it is not kept: `states` are the forms that its strategy reads.
    """
    name = type(state).__name__
    if not isinstance(state, HealState):
        raise UnkeepableState(f"{name} is no HealState")
    if states is not None and type(state) is not next((one for one in states if one.version == state.version), None):
        raise UnkeepableState(f"{name} (version {state.version}) is none of the states that its strategy reads")
    content = _written(state)
    redacted, touched = redact_json(content)
    if touched or redacted != content:
        places = ", ".join(touched) or "somewhere"
        raise UnkeepableState(f"{name} holds what looks like a secret at {places}: keep an id instead")
    if (size := len(to_json(content))) > MAX_STATE_BYTES:
        raise UnkeepableState(f"{name} has {size} bytes, more than {MAX_STATE_BYTES}")
    return KeptState(version=state.version, content=content)


def _written(state: HealState) -> JsonObject:
    """Return the JSON of a state, which a database holds as it is, and which is read as the same state."""
    name = type(state).__name__
    try:
        content: JsonObject = state.model_dump(mode="json")
        is_same = type(state).model_validate(content) == state
        fault = check_storable(content)
    except (ValueError, TypeError, RecursionError) as error:
        raise UnkeepableState(f"{name} cannot be read back from its JSON ({type(error).__name__})") from error
    if fault is not None:
        raise UnkeepableState(f"{name} cannot be stored at {fault.path}: {fault.message}")
    if not is_same:
        raise UnkeepableState(f"{name} is read back from its JSON as another state")
    return content


def is_keepable(state: HealState) -> bool:
    """Return whether a state can be stored: what it takes over from another system may look like a secret."""
    try:
        encode_state(state)
    except UnkeepableState:
        return False
    return True


def keepable_text(text: str, redact: Callable[[Json], tuple[Json, object]], most: int) -> str:
    """Return words for a state: redacted and bounded; none where they would be redacted once more."""
    whole = _CONTROLS.sub("\ufffd", text)
    clean, _ = redact(whole)
    kept = clean[:most] if isinstance(clean, str) else ""
    again, _ = redact(kept)
    return kept if again == kept else ""


def decode_state(kept: KeptState, models: Iterable[type[HealState]]) -> HealState:
    """Return the state that a claim carries, as its own version's model; raises UnreadableState."""
    model = next((one for one in models if one.version == kept.version), None)
    if model is None:
        raise UnreadableState(f"version {kept.version} of its state is not known here")
    try:
        return model.model_validate(kept.content)
    except ValidationError as error:
        raise UnreadableState(
            f"its state of version {kept.version} is damaged in {error.error_count()} places"
        ) from error
    except Exception as error:  # a bug of a strategy's validator must not stop the stream
        raise UnreadableState(
            f"its state of version {kept.version} breaks its model ({type(error).__name__})"
        ) from error
