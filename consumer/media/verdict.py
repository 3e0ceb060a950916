"""Interface of media validation: the expectation that comes in, the verdict with named checks that comes out.

All of it is plain values that become JSON, because they cross to a child process and go into proofs.
"""

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Final, Self

from consumer.media.media_types import MediaType
from schemas.names import AssetKind, Verdict

MAX_BYTES: Final = 64 * 1024 * 1024
"""A larger file is refused before it is read."""
_SHOWN: Final = 160


class MediaCheck(StrEnum):
    """What is checked; each member's comment says what its failure means."""

    SIZE = "size"  # empty, smaller than it was asked to be, or larger than this service reads
    MEDIA_TYPE = "media_type"  # by its content another type than was asked for, such as an error page
    LIMITS = (
        "limits"  # its header promises more pixels, frames or seconds than may be decoded, or decoding took too much
    )
    DECODES = "decodes"  # damaged: a decoder cannot read it
    COMPLETE = "complete"  # cut off: it holds less than it promises
    ACTIVE_CONTENT = "active_content"  # a vector image with scripts, or references to other places
    DIMENSIONS = "dimensions"  # another width or height
    ASPECT = "aspect"  # another ratio of width to height
    ALPHA = "alpha"  # transparent where it must not be, or opaque where transparency was asked for
    BLANK = "blank"  # one colour throughout, as far as anybody sees
    PICTURE = "picture"  # noise without a picture
    PLACEHOLDER = "placeholder"  # one of the images that stand for a missing one
    FILLED = "filled"  # its lower part is what a decoder puts in place of what was missing, encoded anew
    SILENCE = "silence"  # nothing can be heard
    CLIPPING = "clipping"  # driven beyond full scale
    OFFSET = "offset"  # a constant voltage beneath the sound
    HUM = "hum"  # nothing but mains hum, or a tone or two
    HISS = "hiss"  # nothing but noise
    MODULATION = "modulation"  # a voice rises and falls, and this does not
    DURATION = "duration"  # shorter or longer than was asked for
    SPEECH_LENGTH = "speech_length"  # too short or too long for its text
    SPOKEN_TWICE = "spoken_twice"  # its parts are alike, and those of its text are not
    BACKWARDS = "backwards"  # its text lies along it better when it is played backwards
    UNFINISHED = "unfinished"  # a first part of its text lies along it better than all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaExpectation:
    """What a file has to be. What is None or empty is not asked for; every other check is made in any case."""

    kind: AssetKind
    media_types: tuple[MediaType, ...] = ()
    """Types that are right; empty: any that this service reads of its kind."""
    min_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    aspect: float | None = None
    """Width divided by height."""
    alpha: bool | None = None
    """True: some of it has to be transparent; False: none may be."""
    band: bool = False
    """A flat band may be part of it: what was asked for names one."""
    placeholders: tuple[str, ...] = ()
    """Perceptual hashes, as `MediaEvidence.perceptual_hash` has them, of images that stand for missing ones."""
    text: str | None = None
    """What a voice has to say: the file is then checked as speech."""
    seconds_per_character: float | None = None
    """Pace of the voice, as it was measured; None: what is usual, with more room to either side."""
    speed: float = 1.0
    """How many times as fast as at its pace the voice was asked to speak."""
    seconds: float | None = None
    """Duration."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, read: dict[str, Any]) -> Self:
        """Restore it from JSON."""
        given = dict(read)
        given["kind"] = AssetKind(given["kind"])
        given["media_types"] = tuple(map(MediaType, given["media_types"]))
        given["placeholders"] = tuple(given["placeholders"])
        return cls(**given)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFinding:
    """The result of one check; the detail says what was found and what was expected, and quotes no content."""

    check: MediaCheck
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaEvidence:
    """What was measured, for the proof; None where it was not, or does not apply."""

    sha256: str
    size: int
    media_type: MediaType | None = None
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    transparent: bool | None = None
    """Whether any of it can be seen through."""
    deviation: float | None = None
    """Standard deviation of the pixels' values, of 255: below 2 it is blank to the eye."""
    perceptual_hash: str | None = None
    """64 bits in hex that hardly change when an image is scaled or compressed anew."""
    frames_promised: int | None = None
    """Frames of an image, samples of a channel of sound; None where the file promises no number."""
    frames_read: int | None = None
    seconds: float | None = None
    voiced_seconds: float | None = None
    """From the first to the last moment at which something can be heard."""
    sample_rate: int | None = None
    channels: int | None = None
    rms_db: float | None = None
    """Root mean square of all of it, without the offset, in dB of full scale."""
    loudest_db: float | None = None
    """The same of its loudest moments."""
    clipped: float | None = None
    """Share of the samples that stand at full scale together with their neighbour."""
    offset: float | None = None
    flatness: float | None = None
    """Spectral flatness: 1 for white noise, near 0 for a voice."""
    provenance: bool | None = None
    """Whether it carries a mark of its origin (C2PA); marks are kept, as bytes are stored as they came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaVerdict:
    """All findings in the order of the checks, and what was measured."""

    findings: tuple[MediaFinding, ...]
    evidence: MediaEvidence

    @property
    def verdict(self) -> Verdict:
        """Failed where a check failed, inconclusive where one is, passed where all passed."""
        verdicts = {finding.verdict for finding in self.findings}
        for worst in (Verdict.FAILED, Verdict.INCONCLUSIVE):
            if worst in verdicts:
                return worst
        return Verdict.PASSED if verdicts else Verdict.INCONCLUSIVE

    @property
    def failed(self) -> tuple[MediaCheck, ...]:
        """The checks that failed."""
        return tuple(one.check for one in self.findings if one.verdict is Verdict.FAILED)

    @property
    def detail(self) -> str:
        """One line that says what decided."""
        worst = self.verdict
        return "; ".join(f"{one.check}: {one.detail}" for one in self.findings if one.verdict is worst)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON: the findings, and of the evidence what was measured."""
        measured = {name: value for name, value in asdict(self.evidence).items() if value is not None}
        return {"findings": [asdict(one) for one in self.findings], "evidence": measured}

    @classmethod
    def from_json(cls, read: dict[str, Any]) -> Self:
        """Restore it from JSON."""
        known = {one.name for one in fields(MediaEvidence)}
        measured = {name: value for name, value in read["evidence"].items() if name in known}
        if measured.get("media_type") is not None:
            measured["media_type"] = MediaType(measured["media_type"])
        findings = (
            MediaFinding(
                check=MediaCheck(one["check"]), verdict=Verdict(one["verdict"]), detail=str(one["detail"])[:_SHOWN]
            )
            for one in read["findings"]
        )
        return cls(findings=tuple(findings), evidence=MediaEvidence(**measured))


def passed(check: MediaCheck, detail: str) -> MediaFinding:
    """Build the finding of a check that passed."""
    return MediaFinding(check=check, verdict=Verdict.PASSED, detail=detail)


def failed(check: MediaCheck, detail: str) -> MediaFinding:
    """Build the finding of a check that failed."""
    return MediaFinding(check=check, verdict=Verdict.FAILED, detail=detail)


def inconclusive(check: MediaCheck, detail: str) -> MediaFinding:
    """Build the finding of a check that says nothing either way."""
    return MediaFinding(check=check, verdict=Verdict.INCONCLUSIVE, detail=detail)
