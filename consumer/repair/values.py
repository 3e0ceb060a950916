"""Result types of a repair: the edits that were made, or the cause of the refusal. Imports nothing slow."""

from enum import StrEnum
from typing import Final, Literal, TypeAlias

from schemas.names import Grade
from schemas.value import value

# Same as the type in `consumer.model`, which takes half a second to import.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Operation: TypeAlias = Literal["add", "remove", "replace", "move"]

GRADES: Final = (Grade.LOSSLESS, Grade.LOSSY, Grade.INVENTIVE)
RANK: Final = {grade: rank for rank, grade in enumerate(GRADES)}


class RepairStatus(StrEnum):
    """Outcome of a repair."""

    VALID = "valid"  # nothing to do: the document is returned as it came
    REPAIRED = "repaired"  # the schema accepts the document with the edits applied
    REFUSED = "refused"  # there is no document: see the cause


class RefusalCause(StrEnum):
    """Why a repair was refused."""

    AMBIGUOUS = "ambiguous"  # two different documents are equally likely: the engine does not choose between them
    TRUNCATED = "truncated"  # the text ends too soon: its producer has to make it again
    MISSING_REQUIRED = "missing_required"  # a value is needed that the schema does not provide
    OUT_OF_RANGE = "out_of_range"  # too large, too small, too long, too short, too many, too few
    NOT_JSON = "not_json"  # no JSON could be read from the text
    UNKNOWN_VALUE = "unknown_value"  # none of the values that the schema lists
    WRONG_TYPE = "wrong_type"  # of another type, and not convertible
    BAD_FORMAT = "bad_format"  # breaks the schema's `pattern` or `format`
    FORBIDDEN_KEY = "forbidden_key"  # a key that is not allowed there and may not be dropped either
    INVALID = "invalid"  # breaks another rule of the schema
    NEEDS_MORE = "needs_more"  # repairable only by an edit of a grade that was not allowed
    GUARDED = "guarded"  # repairable only by a lossy edit of a field that allows lossless ones alone
    UNUSABLE_SCHEMA = "unusable_schema"  # no schema, or one with references outside itself
    UNREADABLE_LINE = "unreadable_line"  # the request line itself is malformed
    TOO_LARGE = "too_large"  # above a stated limit of size or memory
    TOO_DEEP = "too_deep"  # nested beyond the stated limit
    TOOK_TOO_LONG = "took_too_long"  # above a stated limit of steps or time


@value(frozen=True, slots=True, kw_only=True)
class Edit:
    """One operation of a JSON Patch (RFC 6902), with what it takes to undo it.

    Applied in order to the parsed document, or to the text as one JSON string, the edits produce the repaired document.
    """

    op: Operation
    path: str
    value: Json = None
    """The new value; for `add` and `replace`."""
    old: Json = None
    """The previous value; for a move onto its own container, the container without the moved part."""
    from_: str | None = None
    grade: Grade
    kind: str
    reason: str

    def as_json(self) -> dict[str, Json]:
        """Return it as a JSON Patch operation, with its grade, kind and reason added."""
        edit: dict[str, Json] = {"op": self.op, "path": self.path}
        if self.op in {"add", "replace"}:
            edit["value"] = self.value
        if self.from_ is not None:
            edit["from"] = self.from_
        return edit | {"old": self.old, "grade": self.grade.value, "kind": self.kind, "reason": self.reason}


@value(frozen=True, slots=True, kw_only=True)
class SlipNote:
    """A key that looks like a slip, in a document that the schema accepts with it: told, and left as it is."""

    path: str
    meant: str
    """The declared name that it looks like."""

    def as_json(self) -> dict[str, Json]:
        """Return it as a JSON object."""
        return {"path": self.path, "meant": self.meant, "reason": "looks like a slip, and is allowed: left as it came"}


@value(frozen=True, slots=True, kw_only=True)
class Repair:
    """Result of a repair. A refused one has no document, no edits and a cause."""

    status: RepairStatus
    document: Json = None
    edits: tuple[Edit, ...] = ()
    cause: RefusalCause | None = None
    reason: str | None = None
    notes: tuple[SlipNote, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return it as the JSON answer that the command prints."""
        told = self.without_edits()
        return {
            "status": told.pop("status"),
            "document": told.pop("document"),
            "edits": [edit.as_json() for edit in self.edits],
            **told,
        }

    def without_edits(self) -> dict[str, Json]:
        """Return the same without the edits, of which there may be many."""
        return {
            "status": self.status.value,
            "document": self.document,
            "cause": self.cause and self.cause.value,
            "reason": self.reason,
            "notes": [note.as_json() for note in self.notes],
        }


def refused(cause: RefusalCause, reason: str) -> Repair:
    """Build a refusal; its reason begins with the cause."""
    return Repair(status=RepairStatus.REFUSED, cause=cause, reason=f"{cause.value}: {reason}")
