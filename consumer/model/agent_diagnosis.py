"""What a language model says of a failure that no rule recognises: a typed answer whose evidence is the text's own."""

from consumer.model.identity import AttemptId, FailureId, JsonObject, OrgId, uuid5_from_bytes
from consumer.model.token_budget import TokenPrice
from schemas.names import DiagnosisAnswerKind, Disposition, FailureType
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class TextSpan:
    """A piece of a failure's text that a model names as evidence."""

    source: str
    """`failure_reason`, or a JSON Pointer into the context."""
    text: str


@value(frozen=True, slots=True, kw_only=True)
class DiagnosisAnswer:
    """What a model says of one failure, checked: its evidence stands in the text."""

    kind: DiagnosisAnswerKind
    failure_type: FailureType = FailureType.UNKNOWN
    disposition: Disposition = Disposition.NEEDS_PERSON
    spans: tuple[TextSpan, ...] = ()
    reason: str = ""
    """Why, in words: the model's own, redacted, or why there is no answer."""

    @property
    def described(self) -> JsonObject:
        """It in the form that its row, the API and events hold."""
        return {
            "answer": self.kind,
            "failure_type": self.failure_type,
            "disposition": self.disposition,
            "evidence": [{"source": one.source, "detail": one.text} for one in self.spans],
            "reason": self.reason,
        }


@value(frozen=True, slots=True, kw_only=True)
class AgentDiagnosis:
    """How far the asking of a model is, as it is stored beside its failure."""

    asks: int
    """How often it was begun: a second time after a crash, and never a third time."""
    answer: DiagnosisAnswer | None = None
    """None while it is being asked, or its process has died."""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


@value(frozen=True, slots=True, kw_only=True)
class AgentQuestion:
    """A failure of which a model is asked, and at which price."""

    failure_id: FailureId
    org_id: OrgId
    workflow_name: str
    model: str
    prompts: str
    """The version of the prompt."""
    price: TokenPrice
    needs: int
    """What the wallet has to have for it to be asked, in millionths of an AUD."""

    @property
    def attempt_id(self) -> AttemptId:
        """The id under which its calls stand in the token ledger: the same for whoever asks again."""
        return AttemptId(uuid5_from_bytes(self.failure_id.bytes, "agent-diagnosis"))
