"""The engine: whether a file's bytes are what was expected. Pure, and without limits: `worker_pool.py` sets those.

The order is that of what a check costs and risks: size, type, what the header promises, and only then decoding.
"""

import hashlib
from dataclasses import replace
from math import log10
from typing import Final

from consumer.media import images, sounds
from consumer.media.image_checks import content_findings, image_findings, shape_findings
from consumer.media.image_containers import image_promise
from consumer.media.images import ImageMeasures, OversizedImage, UnreadableImage
from consumer.media.media_types import MediaType, media_type_of
from consumer.media.sound_checks import hear, sound_findings
from consumer.media.sound_containers import sound_promise
from consumer.media.sounds import OversizedSound, UnreadableSound
from consumer.media.vector_images import ActiveContent, read_vector
from consumer.media.verdict import (
    MAX_BYTES,
    MediaCheck,
    MediaEvidence,
    MediaExpectation,
    MediaFinding,
    MediaVerdict,
    failed,
    inconclusive,
    passed,
)
from schemas.names import AssetKind, Verdict

_LEAST_RMS: Final = 1e-6
_PROVENANCE_MARKS: Final = (b"c2pa", b"contentauth")


def validate(content: bytes, expected: MediaExpectation) -> MediaVerdict:
    """Check a file against what is expected of it; each check that could be made is in the verdict."""
    evidence = MediaEvidence(
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        media_type=media_type_of(content),
        provenance=any(mark in content for mark in _PROVENANCE_MARKS),
    )
    first = [size_finding(len(content), expected)]
    if first[0].verdict is Verdict.FAILED:
        return MediaVerdict(findings=tuple(first), evidence=evidence)
    match expected.kind:
        case AssetKind.OTHER:
            return MediaVerdict(findings=tuple(first), evidence=evidence)
        case AssetKind.VIDEO:
            none = inconclusive(MediaCheck.DECODES, "videos are not validated by this release")
            return MediaVerdict(findings=(*first, none), evidence=evidence)
        case _:
            return _decoded(content, expected, first, evidence)


def size_finding(size: int, expected: MediaExpectation) -> MediaFinding:
    """Check a file's size, which needs no more than its length."""
    if not size:
        return failed(MediaCheck.SIZE, "it is empty")
    if size > MAX_BYTES:
        return failed(MediaCheck.SIZE, f"{size} bytes, and at most {MAX_BYTES} are read")
    if size < (expected.min_bytes or 0):
        return failed(MediaCheck.SIZE, f"{size} bytes of at least {expected.min_bytes}")
    return passed(MediaCheck.SIZE, f"{size} bytes")


def _decoded(
    content: bytes, expected: MediaExpectation, findings: list[MediaFinding], evidence: MediaEvidence
) -> MediaVerdict:
    kind = _type_finding(evidence.media_type, expected)
    findings.append(kind)
    if kind.verdict is Verdict.PASSED and evidence.media_type is not None:
        try:
            if evidence.media_type is MediaType.SVG:
                evidence = _vector(content, expected, findings, evidence)
            elif evidence.media_type.is_image:
                evidence = _image(content, evidence.media_type, expected, findings, evidence)
            else:
                evidence = _sound(content, evidence.media_type, expected, findings, evidence)
        except (UnreadableImage, UnreadableSound) as error:
            findings.append(failed(MediaCheck.DECODES, str(error)))
        except (OversizedImage, OversizedSound) as error:
            findings.append(failed(MediaCheck.LIMITS, str(error)))
        except ActiveContent as error:
            findings.append(failed(MediaCheck.ACTIVE_CONTENT, str(error)))
    return MediaVerdict(findings=tuple(findings), evidence=evidence)


def _type_finding(found: MediaType | None, expected: MediaExpectation) -> MediaFinding:
    if found is None:
        return failed(MediaCheck.MEDIA_TYPE, "its content is of no type that is read")
    if found.is_image != (expected.kind is AssetKind.IMAGE):
        return failed(MediaCheck.MEDIA_TYPE, f"{found}, and an asset of kind {expected.kind} was asked for")
    if expected.media_types and found not in expected.media_types:
        return failed(MediaCheck.MEDIA_TYPE, f"{found} of {', '.join(expected.media_types)} asked for")
    return passed(MediaCheck.MEDIA_TYPE, found)


def _image(
    content: bytes,
    media_type: MediaType,
    expected: MediaExpectation,
    findings: list[MediaFinding],
    evidence: MediaEvidence,
) -> MediaEvidence:
    promise = image_promise(content, media_type)
    measured = images.measure(content, media_type, promise.frames)
    findings += [passed(MediaCheck.LIMITS, "within them"), passed(MediaCheck.DECODES, "decoded in full")]
    findings += image_findings(measured, promise, expected)
    return replace(_with_image(evidence, measured), frames_promised=promise.frames, frames_read=measured.frames)


def _with_image(evidence: MediaEvidence, measured: ImageMeasures) -> MediaEvidence:
    return replace(
        evidence,
        width=measured.width,
        height=measured.height,
        transparent=measured.transparent,
        deviation=round(measured.deviation, 3),
        perceptual_hash=measured.perceptual_hash,
    )


def _vector(
    content: bytes, expected: MediaExpectation, findings: list[MediaFinding], evidence: MediaEvidence
) -> MediaEvidence:
    vector = read_vector(content)
    measured = vector.measures
    findings += [passed(MediaCheck.DECODES, "drawn"), passed(MediaCheck.ACTIVE_CONTENT, "none")]
    findings += shape_findings(measured.width, measured.height, expected)
    for finding in content_findings(measured, expected):
        if finding.check is MediaCheck.BLANK and vector.has_text:
            findings.append(passed(MediaCheck.BLANK, "it shows text"))
        else:
            findings.append(finding)
    return _with_image(evidence, measured)


def _sound(
    content: bytes,
    media_type: MediaType,
    expected: MediaExpectation,
    findings: list[MediaFinding],
    evidence: MediaEvidence,
) -> MediaEvidence:
    promise = sound_promise(content, media_type)
    measured = sounds.measure(content, media_type)
    heard = hear(measured)
    findings += [passed(MediaCheck.LIMITS, "within them"), passed(MediaCheck.DECODES, "decoded in full")]
    findings += sound_findings(measured, heard, promise, expected)
    promised = promise.frames if promise.frames is not None else measured.frames_promised
    return replace(
        evidence,
        codec=measured.codec,
        frames_promised=promised,
        frames_read=measured.frames,
        seconds=round(measured.seconds, 3),
        voiced_seconds=round(heard.voiced_seconds, 2),
        sample_rate=measured.rate,
        channels=measured.channels,
        rms_db=round(20 * log10(max(measured.rms, _LEAST_RMS)), 1),
        loudest_db=round(heard.loudest_db, 1),
        clipped=round(measured.clipped, 5),
        offset=round(measured.offset, 5),
        flatness=round(heard.flatness, 4),
    )
