"""One object of a JSON body, and whether it is an envelope of the call or a resource. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from consumer.heal.calls.false_success import members as words
from consumer.heal.calls.false_success.asked import Asked
from consumer.heal.calls.false_success.members import plain_word
from consumer.model import Json


@dataclass(frozen=True, kw_only=True)
class Body:
    """One object of the body, with its members by their plain names."""

    members: Mapping[str, Json]
    asked: Asked
    is_part: bool
    """It is one of several, so that its own state is no longer the call's."""
    is_state: bool = False
    """It is the state of a resource that was asked for."""

    @cached_property
    def telling(self) -> Mapping[str, Json]:
        """The members that may tell of a failure by their names: of a list of resources, most have none."""
        return {name: value for name, value in self.members.items() if words.may_tell(name)}

    @cached_property
    def is_envelope(self) -> bool:
        """Whether every member tells of the call alone."""
        if self.members.get("object", "error") not in ("error", "list", "response"):
            return False
        own = {name for name in self.members if not words.is_envelope_name(name)}
        if "jsonrpc" in self.members:
            own -= {"id"}
        if "message" in self.members or plain_word(self.members.get("name")) in words.TELLING_MESSAGES:
            own -= {"name"}
        if "groupname" in self.members and not self.asked.reads:
            own -= {"name"}
        if not self.asked.reads:
            own = {name for name in own if name not in words.DONE or not isinstance(self.members[name], bool)}
        return not own

    @cached_property
    def is_answered_resource(self) -> bool:
        """Whether it is a resource that was asked for, or one of several, which may itself have failed."""
        return (self.asked.reads or self.is_part) and (self.is_state or not self.is_envelope)

    @property
    def is_listed(self) -> bool:
        """Whether it is one of a list that was asked for, as a reference of error codes is."""
        return self.is_part and self.asked.method == "GET"

    def was_sent(self, name: str, value: Json) -> bool:
        """Return whether a resource only has what the call itself gave it."""
        return self.asked.sent.get(name, "") == plain_word(value) and not self.is_envelope
