"""What is wrong with a value is said in words of ours, without the value; of a misspelt word, which was meant."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from schemas.errors import EnvelopeError
from schemas.failure import WorkflowFailure, decode_failure
from schemas.fault_words import did_you_mean, fault_in_words
from schemas.names import Effect

OF_THE_LIBRARY = ("Input should", "Field required", "String should", "Extra inputs", "Value error", "valid ")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        (Effect, "idempotant", "has to be none, idempotent, keyed, conditional or unsafe: did you mean `idempotent`?"),
        (Literal["*"], "s3cr3t", "has to be *"),
        (Literal[Effect.KEYED, Effect.NONE], "kyed", "has to be keyed or none: did you mean `keyed`?"),
        (int, "s3cr3t", "has to be a whole number"),
        (int, 2.5, "has to be a whole number"),
        (bool, "s3cr3t", "has to be true or false"),
        (Annotated[int, Field(ge=1)], 0, "has to be 1 or more"),
        (Annotated[timedelta, Field(gt=timedelta(0))], "PT0S", "has to be more than 0 seconds"),
        (timedelta, "5s", "has to be a duration: seconds, or ISO 8601 such as PT5S"),
        (UUID, "s3cr3t", "has to be a UUID, such as 6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f"),
        (Annotated[str, Field(min_length=1)], "", "must not be empty"),
        (Annotated[str, Field(max_length=2)], "s3cr3t", "has to have 2 characters or fewer"),
        (tuple[int, ...], "s3cr3t", "has to be a list"),
        (dict[str, int], "s3cr3t", "has to be an object"),
        (Strict, {}, "is missing"),
        (Strict, {"name": "a", "s3cr3t": 1}, "there is no such field"),
        (WorkflowFailure, "s3cr3t", "has to be an object"),
    ],
)
def test_it_is_said_what_a_value_has_to_be(kind: Any, given: Any, says: str) -> None:  # noqa: ANN401 - of any kind
    with pytest.raises(ValidationError) as error:
        TypeAdapter(kind).validate_python(given)
    said = fault_in_words(error.value.errors()[0])
    assert said == says
    assert "s3cr3t" not in said
    assert not any(words in said for words in OF_THE_LIBRARY)


@pytest.mark.parametrize("sent", ["orgId", "org-id", "ORG_ID", "OrgID"])
def test_a_name_in_another_spelling_is_told(sent: str) -> None:
    data = {sent: "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f", "workflow_name": "orders.sync", "failure_reason": "timeout"}
    with pytest.raises(EnvelopeError) as error:
        decode_failure(data)
    assert str(error.value) == f"data.org_id: is missing; `{sent}` is not read: write `org_id`"


@pytest.mark.parametrize(("given", "meant"), [("attempt", "attempts"), ("maxAge", "max_age"), ("allowed", None)])
def test_only_a_near_word_is_guessed(given: str, meant: str | None) -> None:
    says = did_you_mean(given, ["attempts", "max_age", "allowance_aud"])
    assert says == ("" if meant is None else f": did you mean `{meant}`?")
