"""Applies a JSON Patch (RFC 6902) to a definition: the outcome is another definition, or why there is none."""

from typing import Annotated, Final, Literal, TypeAlias

import jsonpatch
import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from consumer.model import JsonObject
from consumer.workflows.definition import Definition, UnreadableDefinition, first_fault
from consumer.workflows.findings import PatchFinding, PatchRule

MOST_BYTES: Final = 512 * 1024
"""Of a definition: a patch that copies a part into itself doubles it each time."""
_Pointer: TypeAlias = Annotated[str, Field(max_length=512, pattern=r"^(/([^~/]|~[01])*)*$")]


class _Operation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_alias=True, validate_by_name=True)


class PutOperation(_Operation):
    """Adds or replaces a value, or demands that it stands there."""

    op: Literal["add", "replace", "test"]
    path: _Pointer
    value: JsonValue


class RemoveOperation(_Operation):
    """Removes a value."""

    op: Literal["remove"]
    path: _Pointer


class MoveOperation(_Operation):
    """Moves or copies a value."""

    op: Literal["move", "copy"]
    from_: _Pointer = Field(alias="from")
    path: _Pointer


PatchOperation: TypeAlias = Annotated[PutOperation | RemoveOperation | MoveOperation, Field(discriminator="op")]
DefinitionPatch: TypeAlias = tuple[PatchOperation, ...]
PATCH: Final[TypeAdapter[DefinitionPatch]] = TypeAdapter(DefinitionPatch)


class UnfitPatch(ValueError):
    """The patch cannot be read, does not apply, or leads to what is no definition."""

    def __init__(self, rule: PatchRule, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.finding = PatchFinding(rule=rule, where=where, why=why)


def parse_patch(document: object) -> DefinitionPatch:
    """Parse a JSON Patch; raises UnfitPatch."""
    try:
        return PATCH.validate_python(document)
    except ValidationError as error:
        raise UnfitPatch(PatchRule.PATCH, "", f"no JSON Patch: {first_fault(error)}") from error


def patch_json(patch: DefinitionPatch) -> list[JsonObject]:
    """Return the patch as its JSON document."""
    return [operation.model_dump(mode="json", by_alias=True) for operation in patch]


def apply_patch(definition: Definition, patch: DefinitionPatch) -> Definition:
    """Return the changed definition; raises UnfitPatch with the operation or the place at fault."""
    document: object = definition.as_json()
    for number, operation in enumerate(patch_json(patch)):
        where = f"operation {number}"
        try:
            document = jsonpatch.apply_patch(document, [operation], in_place=True)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, ValueError) as error:
            raise UnfitPatch(PatchRule.PATCH, where, f"does not apply: {type(error).__name__}") from error
        if len(_written(document)) > MOST_BYTES:
            raise UnfitPatch(PatchRule.PATCH, where, f"the definition grows beyond {MOST_BYTES} bytes")
    try:
        return Definition.from_json(document)
    except UnreadableDefinition as error:
        raise UnfitPatch(PatchRule.SCHEMA, "", str(error)) from error


def _written(document: object) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError as error:  # an integer beyond 64 bits, or nested beyond what JSON writers take
        raise UnfitPatch(PatchRule.PATCH, "", "holds a value that JSON's usual writers do not take") from error
