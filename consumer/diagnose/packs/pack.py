"""Reads the provider packs into rules.

A line is `CODE DISPOSITION`, or a directive (`type`, `seen`, `source`). A code stands for itself wherever it is found;
with `~` before it, and where it is a number or a status, it counts only where its provider is seen as well: half of all
APIs say `not_found`. With `!` that holds for words only: as a structured code it stands for itself. With `?` it names a
family of errors and weighs less than the code beside it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final

from consumer.diagnose.rule import NONE, Phrase, Rule, index_code, kind_of, phrases_of, rank_of
from schemas.names import Disposition, FailureType

SAYS: Final = 9.0
"""Weight of a code for its disposition: a provider's own code goes before a status and before words."""
FAMILY: Final = 4.0
SHOWS: Final = {
    FailureType.VOICE_GENERATION_ERROR: 5.0,
    FailureType.CONCIERGE_ACTION_FAILURE: 5.0,
    FailureType.MISSING_IMAGE: 4.5,
    FailureType.BILLING_SYNC_ISSUE: 4.5,
    FailureType.WORKFLOW_STALL: 5.0,
    FailureType.UNKNOWN: 4.0,
}
"""Weight of a provider's name for the type of its failures."""
OF_TYPE: Final = {FailureType.WORKFLOW_STALL: 9.0}
"""Weight of a code for its pack's type; 3 where it is not listed."""
ONCE: Final = 3.0
_MARKS: Final = "~!?"


@dataclass(slots=True)
class Pack:
    """One provider's codes, as its file has them."""

    name: str
    failure_type: FailureType | None = None
    source: str = ""
    seen: list[Phrase] = field(default_factory=list)
    codes: dict[tuple[Disposition, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    """Codes by disposition and marks."""

    def rules(self) -> Iterator[Rule]:
        """Yield the rule that its name meets, and one for each disposition and mark."""
        kind = kind_of(self.failure_type)
        name = f"pack.{self.name}"
        shows = SHOWS[self.failure_type] if self.failure_type else 0.0
        yield _rule(name, shows, kind, self.failure_type, phrases=tuple(self.seen))
        for (disposition, marks), codes in self.codes.items():
            yield _rule(
                f"{name}.{disposition}{marks}",
                OF_TYPE.get(self.failure_type, ONCE) if self.failure_type else 0.0,
                kind,
                self.failure_type,
                disposition=disposition,
                firmly=FAMILY if "?" in marks else SAYS,
                codes=frozenset(codes),
                within=name if "~" in marks or "!" in marks else "",
                within_words="!" in marks,
            )


def parse_pack(name: str, text: str) -> Pack:
    """Parse a pack; ValueError names the line that is none."""
    pack = Pack(name=name)
    for number, line in enumerate(text.splitlines(), 1):
        match line.split():
            case [] | ["#", *_]:
                pass
            case ["type", kind]:
                pack.failure_type = FailureType(kind)
            case ["seen", *words]:
                pack.seen += phrases_of(" ".join(words))
            case ["source", source]:
                pack.source = source
            case [code, disposition] if pack.source:
                bare = code.lstrip(_MARKS)
                marks = code[: len(code) - len(bare)]
                if not marks and (bare.isdigit() or bare.startswith("http.")):
                    marks = "~"
                pack.codes[Disposition(disposition), marks].add(index_code(bare))
            case _:
                msg = f"{name}.txt:{number}: not `CODE DISPOSITION` below a source: {line!r}"
                raise ValueError(msg)
    return pack


def read_packs() -> tuple[Pack, ...]:
    """Read every pack beside this module."""
    found = sorted((one for one in files(__package__).iterdir() if one.name.endswith(".txt")), key=lambda one: one.name)
    return tuple(parse_pack(one.name.removesuffix(".txt"), one.read_text(encoding="utf-8")) for one in found)


def _rule(  # noqa: PLR0913 - a row, each column with its name
    id: str,  # noqa: A002 - what it is
    weight: float,
    kind: int,
    failure_type: FailureType | None,
    *,
    disposition: Disposition | None = None,
    firmly: float = 0.0,
    phrases: tuple[Phrase, ...] = (),
    codes: frozenset[str] = frozenset(),
    within: str = "",
    within_words: bool = False,
) -> Rule:
    return Rule(
        id=id,
        weight=weight,
        failure_type=failure_type,
        disposition=disposition,
        firmly=firmly,
        kind=kind,
        care=NONE if disposition is None else rank_of(disposition),
        phrases=phrases,
        codes=codes,
        fragments=(),
        against=(),
        example="",
        within=within,
        within_words=within_words,
        of_pack=True,
    )


PACKS: Final[tuple[Rule, ...]] = tuple(rule for pack in read_packs() for rule in pack.rules())
"""The rules of all packs."""
