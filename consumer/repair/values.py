"""What a repair is: the edits it made, or why it was refused. Plain values; imports nothing that is slow."""

from enum import StrEnum
from typing import Final, Literal, TypeAlias

from schemas.names import Grade
from schemas.value import value

# As the model's, which takes half a second to import.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Operation: TypeAlias = Literal["add", "remove", "replace", "move"]

GRADES: Final = (Grade.LOSSLESS, Grade.LOSSY, Grade.INVENTIVE)
RANK: Final = {grade: rank for rank, grade in enumerate(GRADES)}


class RepairStatus(StrEnum):
    """What became of a document."""

    VALID = "valid"  # nothing to do: it is handed back as it came
    REPAIRED = "repaired"  # the schema accepts the document that the edits make of it
    REFUSED = "refused"  # there is no document: the cause says why


class RefusalCause(StrEnum):
    """Why a repair was refused."""

    AMBIGUOUS = "ambiguous"  # two different documents are as likely: nobody is to choose between them
    TRUNCATED = "truncated"  # the text ends too soon: it has to be made again
    MISSING_REQUIRED = "missing_required"  # a value is needed that the schema does not name
    OUT_OF_RANGE = "out_of_range"  # too large, too small, too long, too short, too many, too few
    NOT_JSON = "not_json"  # no JSON could be read from the text
    UNKNOWN_VALUE = "unknown_value"  # none of the values that the schema lists
    WRONG_TYPE = "wrong_type"  # of another type, and not a known form of it
    BAD_FORMAT = "bad_format"  # breaks the schema's `pattern` or `format`
    FORBIDDEN_KEY = "forbidden_key"  # a key that may not stand there and may not be dropped either
    INVALID = "invalid"  # breaks another rule of the schema
    NEEDS_MORE = "needs_more"  # could be repaired, by an edit of a grade that was not allowed
    GUARDED = "guarded"  # could be repaired, by an edit of a field that only lossless ones may touch
    UNUSABLE_SCHEMA = "unusable_schema"  # no schema, or one that refers to elsewhere
    UNREADABLE_LINE = "unreadable_line"  # the question itself is not what was asked for
    TOO_LARGE = "too_large"  # above a stated limit of size or memory
    TOO_DEEP = "too_deep"  # nested beyond the stated limit
    TOOK_TOO_LONG = "took_too_long"  # above a stated limit of steps or time


@value(frozen=True, slots=True, kw_only=True)
class Edit:
    """One operation of a JSON Patch (RFC 6902), with what it takes to undo it.

    Applied in order to the document that was read, or to the text as one JSON string, the edits give the repaired one.
    """

    op: Operation
    path: str
    value: Json = None
    """What is put there; of `add` and `replace`."""
    old: Json = None
    """What stood there; of a move onto what was around it, that without the moved part."""
    from_: str | None = None
    grade: Grade
    kind: str
    reason: str

    def as_json(self) -> dict[str, Json]:
        """Give it as an operation of a patch, with its grade, its kind and its reason beside it."""
        edit: dict[str, Json] = {"op": self.op, "path": self.path}
        if self.op in {"add", "replace"}:
            edit["value"] = self.value
        if self.from_ is not None:
            edit["from"] = self.from_
        return edit | {"old": self.old, "grade": self.grade.value, "kind": self.kind, "reason": self.reason}


@value(frozen=True, slots=True, kw_only=True)
class Repair:
    """What became of a document. A refused one has no document, no edits and a cause."""

    status: RepairStatus
    document: Json = None
    edits: tuple[Edit, ...] = ()
    cause: RefusalCause | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Json]:
        """Give it as the answer that the command prints."""
        return {
            "status": self.status.value,
            "document": self.document,
            "edits": [edit.as_json() for edit in self.edits],
            "cause": self.cause and self.cause.value,
            "reason": self.reason,
        }


def refused(cause: RefusalCause, reason: str) -> Repair:
    """Make a refusal; its reason begins with the cause."""
    return Repair(status=RepairStatus.REFUSED, cause=cause, reason=f"{cause.value}: {reason}")
