"""Scores of diagnoses over labelled texts: type, disposition, and the share that would do harm.

A label's `dispositions` are all that a careful reader accepts. A diagnosis does harm where its strategy would repeat
what no retry helps, leave to a person what a retry mends, or repair what nobody can repair.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from consumer.model import Diagnosis
from consumer.plan.default_ladder import NOBODY, RETRIES
from schemas.names import Disposition

Row = Mapping[str, Any]
ASIDE: Final = 4
"""Tenths of a set that were kept aside at first."""
_RETRIES: Final = frozenset(map(str, RETRIES))
_NOBODY: Final = frozenset(map(str, NOBODY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One labelled text, and what was made of it."""

    row: Row
    diagnosis: Diagnosis
    accepted: Sequence[str]
    """The dispositions that the label accepts; none where it names none."""

    @property
    def strict(self) -> bool:
        """Whether the type is the label's."""
        return bool(self.diagnosis.failure_type == self.row["label"])

    @property
    def alternative(self) -> bool:
        """Whether the type is the label's, or one that it accepts as well."""
        return self.strict or self.diagnosis.failure_type in self.row["also_acceptable"]

    @property
    def disposed(self) -> bool:
        """Whether the disposition is one that the label accepts."""
        return not self.accepted or self.diagnosis.disposition in self.accepted

    @property
    def harm(self) -> str | None:
        """Name the harm that the disposition would do; None where it does none."""
        return harm_of(self.diagnosis.disposition, self.accepted) if self.accepted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Shares over a set."""

    texts: int
    strict: float
    alternative: float
    disposed: float
    harmful: float


def harm_of(disposition: Disposition, accepted: Sequence[str]) -> str | None:
    """Name the harm that a disposition would do where only these are accepted; None where it does none."""
    if disposition in accepted:
        return None
    only_retries = set(accepted) <= _RETRIES
    if disposition in RETRIES:
        return None if _RETRIES & set(accepted) else "retried"
    if disposition in NOBODY:
        return "given up" if only_retries else None
    return "repaired, a retry mends it" if only_retries else "repaired"


def accepted_dispositions(row: Row, labels: Mapping[str, list[str]]) -> list[str]:
    """Return the dispositions that a label accepts, from the row itself or from labels kept beside it."""
    if "dispositions" in row:
        return list(row["dispositions"])
    if "disposition" in row:
        return [row["disposition"], *row["disposition_also"]]
    return list(labels.get(row["id"], []))


def kept_aside(row: Row) -> bool:
    """Return whether a row is one of those whose text is not looked at while rules are written: only its score is.

    About half of those that were kept aside at first have been opened since.
    """
    return _draw("aside", row) % 10 < ASIDE and _draw("half", row) % 2 == 1


def _draw(what: str, row: Row) -> int:
    return int(sha256(f"{what}:{row['id']}".encode()).hexdigest()[:8], 16)


def read_rows(file: Path) -> list[Row]:
    """Read a labelled set, one JSON object a line."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def scored(
    rows: Iterable[Row], ask: Callable[[str, dict[str, Any]], Diagnosis], labels: Mapping[str, list[str]]
) -> list[Scored]:
    """Diagnose every row."""
    return [
        Scored(
            row=row,
            diagnosis=ask(row["failure_reason"], row["context"]),
            accepted=accepted_dispositions(row, labels),
        )
        for row in rows
    ]


def score(some: Sequence[Scored]) -> Score:
    """Sum up a set; the harmful and the rightly disposed are shares of those whose label names dispositions."""
    judged = [one for one in some if one.accepted]
    return Score(
        texts=len(some),
        strict=_share(some, lambda one: one.strict),
        alternative=_share(some, lambda one: one.alternative),
        disposed=_share(judged, lambda one: one.disposed),
        harmful=_share(judged, lambda one: one.harm is not None),
    )


def _share(some: Sequence[Scored], right: Callable[[Scored], bool]) -> float:
    return sum(map(right, some)) / len(some) if some else 0.0
