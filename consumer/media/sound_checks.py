"""Judges what a sound measures. Pure.

Thresholds lie between what was measured of true recordings and of the lies they are for; the distance is in each line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from consumer.media.promise import Promise
from consumer.media.sounds import Levels, SoundMeasures
from consumer.media.speech_alignment import align
from consumer.media.speech_length import USUAL_PACE, SpokenText, says_it_twice, spoken
from consumer.media.speech_repeats import halves_likeness
from consumer.media.verdict import MediaCheck, MediaExpectation, MediaFinding, failed, inconclusive, passed
from schemas.names import Verdict

_SILENT_DB: Final = -50.0
"""Loudest moments of what counts as silence; a whisper has -40 dB, the noise of an idle line -70."""
_LEFT_TOGETHER: Final = 0.01
"""Of two channels' power: unlike ones leave half; where one is the other turned over, lossy codecs leave 0.00001."""
_BELOW_LOUDEST_DB: Final = 35.0
"""A moment is voiced down to so far below the loudest ones."""
_CLIPPED_SHARE: Final = 0.01
"""Speech at full level has 0.0001 of it, driven eightfold 0.3."""
_OFFSET: Final = 0.05
_HUM_SHARE: Final = 0.9
_HUMS: Final = (50.0, 60.0)
_HUM_ABOVE_HZ: Final = 610.0
_HUM_WIDTH_HZ: Final = 6.0
_TONES, _TONE_WIDTH_HZ, _TONES_SHARE = 2, 12.0, 0.9
"""The two strongest tones of speech have 0.3 of its power, monotonous or not; those of a dial tone all of it."""
_FLATNESS: Final = 0.5
"""White noise has 0.9 and more on average, a voice 0.01 to 0.1."""
_FLATNESS_HZ: Final = (100.0, 8000.0)
_STEADY_DB: Final = 1.4
"""Deviation of the loudness of what does not rise and fall: rumble has 1, a quick voice 1.6, others 4 and more."""
_LEVELS_TOGETHER: Final = 5
_STEADY_SECONDS: Final = 0.5
_AT_ITS_PACE, _AT_ANY_PACE = (0.75, 1.5), (0.6, 1.7)
"""Of the length that a text should take: half a sentence has 0.5, two of the same 2."""
_LOUD_END_DB: Final = 12.0
"""Below the loudest moments: a file that ends so loud ends within a sound. True ones end at 20 and more below them."""
_CUT_AT_ITS_PACE, _CUT_AT_ANY_PACE = 0.85, 0.75
"""What is cut off within a sound may not be short as well."""
_BACKWARDS, _UNFINISHED = -0.8, -0.1
"""How far a text's alignment with true speech may fall behind a lie's; `speech_alignment.py` has the figures."""
_TWICE, _LOOPED = 0.85, 0.95
"""Likeness of a sound's parts: a sentence that is spoken again has 0.93 and more, true speech 0.64 at most, and a list
of short words 0.84; a part of it that is played again and again has 0.99."""
_LEAST_SLACK, _MOST_SLACK = 0.15, 1.0
"""Seconds: of a single word little but its beginning and end is heard."""
_DURATION_SHARE, _DURATION_SLACK = 0.1, 0.25
_SECONDS_PER_LEVEL: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What can be heard of a sound."""

    loudest_db: float
    voiced_seconds: float
    """From the first voiced moment to the last."""
    voiced_from: int
    """The first voiced moment, in levels."""
    ends_loud: bool
    """Its last moment is within a sound: it was cut off there."""
    deviation_db: float
    flatness: float
    hum: float
    """Share of its power at the mains' frequency and its multiples."""
    tones: float
    """Share of its power in its two strongest tones."""


def hear(sound: SoundMeasures) -> Hearing:
    """Derive what can be heard."""
    loudest = float(np.percentile(sound.levels, 95)) if sound.levels.size else -120.0
    voiced = np.flatnonzero(sound.levels > max(loudest - _BELOW_LOUDEST_DB, _SILENT_DB - 10))
    span = float(voiced[-1] - voiced[0] + 1) * _SECONDS_PER_LEVEL if voiced.size else 0.0
    return Hearing(
        loudest_db=loudest,
        voiced_seconds=span,
        voiced_from=int(voiced[0]) if voiced.size else 0,
        ends_loud=bool(voiced.size) and float(sound.levels[-1]) > loudest - _LOUD_END_DB,
        deviation_db=_deviation(sound.levels[voiced[0] : voiced[-1] + 1]) if voiced.size else 0.0,
        flatness=_flatness(sound.spectrum, sound.hertz_per_bin),
        hum=_hum(sound.spectrum, sound.hertz_per_bin),
        tones=_tones(sound.spectrum, sound.hertz_per_bin),
    )


def _deviation(levels: Levels) -> float:
    """Return how much the loudness of a tenth of a second deviates: that of shorter moments wavers in noise too."""
    count = levels.size // _LEVELS_TOGETHER
    if not count:
        return 0.0
    power = np.power(10, levels[: count * _LEVELS_TOGETHER].reshape(count, _LEVELS_TOGETHER) / 10)
    return float(np.std(10 * np.log10(power.mean(axis=1))))


def _flatness(spectrum: Levels, width: float) -> float:
    low, high = (int(hertz / width) for hertz in _FLATNESS_HZ)
    # The top tenth is left to the converters' filters.
    band = spectrum[low : min(high, int(spectrum.size * 0.9))]
    if band.size < 2 or not band.mean():  # noqa: PLR2004 - too short a sound
        return 0.0
    return float(np.exp(np.log(np.maximum(band, 1e-20)).mean()) / band.mean())


def _hum(spectrum: Levels, width: float) -> float:
    total = float(spectrum.sum())
    if not total:
        return 0.0
    hertz = np.arange(spectrum.size) * width
    return max(
        float(
            spectrum[
                (np.abs(hertz - mains * np.round(hertz / mains)) <= _HUM_WIDTH_HZ)
                & (hertz < _HUM_ABOVE_HZ)
                & (hertz > 1)
            ].sum()
        )
        / total
        for mains in _HUMS
    )


def _tones(spectrum: Levels, width: float) -> float:
    total, left, found = float(spectrum.sum()), spectrum.copy(), 0.0
    reach = max(1, round(_TONE_WIDTH_HZ / width))
    for _ in range(_TONES if total else 0):
        peak = int(left.argmax())
        near = slice(max(0, peak - reach), peak + reach + 1)
        found += float(left[near].sum()) / total
        left[near] = 0.0
    return found


def _audible(sound: SoundMeasures, heard: Hearing) -> MediaFinding:
    if heard.loudest_db > _SILENT_DB and sound.together < _LEFT_TOGETHER:
        return failed(MediaCheck.SILENCE, "its two channels cancel each other: one loudspeaker plays nothing of them")
    detail = f"its loudest moments have {heard.loudest_db:.1f} dB"
    return _within(MediaCheck.SILENCE, heard.loudest_db > _SILENT_DB, detail)


def sound_findings(
    sound: SoundMeasures, heard: Hearing, promise: Promise, expected: MediaExpectation
) -> Iterator[MediaFinding]:
    """Make all checks of a decoded sound, in their order."""
    findings = [
        _complete(sound, promise, expected),
        _audible(sound, heard),
        _within(MediaCheck.CLIPPING, sound.clipped <= _CLIPPED_SHARE, f"{sound.clipped:.2%} at full scale"),
        _within(MediaCheck.OFFSET, abs(sound.offset) <= _OFFSET, f"an offset of {sound.offset:.3f}"),
    ]
    if expected.text is not None:
        findings += _speech(sound, heard, expected.text, expected)
    if expected.seconds is not None:
        findings.append(_duration(sound.seconds, expected.seconds))
    yield from findings
    # What is cut, no voice, or not as long as its text is not asked what it says.
    if expected.text is not None and all(one.verdict is Verdict.PASSED for one in findings):
        yield from _aligned(_voiced_bands(sound, heard), expected.text)


def _within(check: MediaCheck, is_right: bool, detail: str) -> MediaFinding:
    return passed(check, detail) if is_right else failed(check, detail)


def _complete(sound: SoundMeasures, promise: Promise, expected: MediaExpectation) -> MediaFinding:
    if promise.broken is not None:
        return failed(MediaCheck.COMPLETE, promise.broken)
    promised, slack = promise.frames, promise.slack
    if promised is None and sound.frames_promised is not None:
        promised, slack = sound.frames_promised, 4608
    if promised is None:
        # A stream without a length: only how long it should be tells whether it was cut.
        if expected.text is None and expected.seconds is None:
            return inconclusive(MediaCheck.COMPLETE, "it promises no length, and none was asked for")
        return passed(MediaCheck.COMPLETE, "it promises no length: judged by its duration")
    detail = f"{sound.frames} samples read of {promised} promised"
    return _within(MediaCheck.COMPLETE, abs(promised - sound.frames) <= slack, detail)


def _speech(sound: SoundMeasures, heard: Hearing, text: str, expected: MediaExpectation) -> Iterator[MediaFinding]:
    yield from _voice(heard)
    length = spoken(text)
    if not length.most:
        yield inconclusive(MediaCheck.SPEECH_LENGTH, "its text has nothing to be spoken")
        return
    shortest, longest = _length_bounds(length, expected)
    least = max(shortest, _least_when_cut(length, expected)) if heard.ends_loud else shortest
    detail = f"{heard.voiced_seconds:.2f} s are voiced, its text takes {least:.2f} to {longest:.2f} s"
    detail += "; it ends within a sound" if heard.ends_loud else ""
    yield _within(MediaCheck.SPEECH_LENGTH, least <= heard.voiced_seconds <= longest, detail)
    likeness = halves_likeness(_voiced_bands(sound, heard))
    # Only what is long enough to hold the text twice may be it twice; a part of it may be looped to any length.
    most = _TWICE if heard.voiced_seconds >= 2 * shortest else _LOOPED
    twice = likeness >= most and not says_it_twice(text)
    yield _within(MediaCheck.SPOKEN_TWICE, not twice, f"its parts are alike by {likeness:.2f}")


def _voice(heard: Hearing) -> Iterator[MediaFinding]:
    is_voice = heard.hum < _HUM_SHARE and heard.tones < _TONES_SHARE
    said = f"{heard.hum:.0%} of its power is hum, {heard.tones:.0%} are two tones"
    yield _within(MediaCheck.HUM, is_voice, said)
    yield _within(MediaCheck.HISS, heard.flatness < _FLATNESS, f"a spectral flatness of {heard.flatness:.2f}")
    steady = heard.voiced_seconds >= _STEADY_SECONDS and heard.deviation_db < _STEADY_DB
    yield _within(MediaCheck.MODULATION, not steady, f"its loudness deviates by {heard.deviation_db:.1f} dB")


def _length_bounds(length: SpokenText, expected: MediaExpectation) -> tuple[float, float]:
    """Return the least and the most seconds that a text may take."""
    low, high = _AT_ITS_PACE if expected.seconds_per_character is not None else _AT_ANY_PACE
    pace = _pace(expected)
    return length.least * pace * low - _LEAST_SLACK, length.most * pace * high + _MOST_SLACK + length.pauses


def _least_when_cut(length: SpokenText, expected: MediaExpectation) -> float:
    """Return the least seconds of what ends within a sound."""
    low = _CUT_AT_ITS_PACE if expected.seconds_per_character is not None else _CUT_AT_ANY_PACE
    return length.likely * _pace(expected) * low - _LEAST_SLACK


def _pace(expected: MediaExpectation) -> float:
    return (expected.seconds_per_character or USUAL_PACE) / expected.speed


def _aligned(bands: Levels, text: str) -> Iterator[MediaFinding]:
    found = align(bands, text)
    if found is None:
        return
    is_forwards = found.forwards >= _BACKWARDS
    said = f"its text lies along it better than backwards by {found.forwards:.2f}"
    yield _within(MediaCheck.BACKWARDS, is_forwards, said)
    if is_forwards:
        said = f"all of its text lies along it better than a part by {found.to_its_end:.2f}"
        yield _within(MediaCheck.UNFINISHED, found.to_its_end >= _UNFINISHED, said)


def _voiced_bands(sound: SoundMeasures, heard: Hearing) -> Levels:
    begin = heard.voiced_from
    end = begin + round(heard.voiced_seconds / _SECONDS_PER_LEVEL)
    return sound.bands[begin:end] if end <= len(sound.bands) else sound.bands[:0]


def _duration(seconds: float, asked: float) -> MediaFinding:
    slack = max(asked * _DURATION_SHARE, _DURATION_SLACK)
    return _within(MediaCheck.DURATION, abs(seconds - asked) <= slack, f"{seconds:.2f} s of {asked:g} s asked for")
