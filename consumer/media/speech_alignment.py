"""Whether a voice says its text in its order and to its end: the text laid along the sound, letter by letter. Pure.

Each 20 ms are compared with what vowels, sibilants, stops and pauses look like in any voice, and the likeliest way
through the text's sounds is looked for (Viterbi). How good it is in itself says little of a voice that is not known. So
it is compared with ways that a lie would take: along the sound played backwards, and through the first part of the
text alone. In espeak-ng's voices for thirty languages, slow and quick, and in recordings of people, true speech is
better forwards by -0.2 and more (-0.6 with noise in it) and to the end by 0.2 and more, speech played backwards is
worse by 0.5 and more in nine of ten, and half a speech in eight of ten.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from consumer.media.sounds import BAND_COUNT, Levels
from consumer.media.spoken_sounds import SoundKind, SoundSequence, readings

_SHAPES: Final = {
    SoundKind.VOWEL: ((-5.0, 7.0), (-22.0, 10.0)),
    SoundKind.SIBILANT: ((-22.0, 10.0), (6.0, 9.0)),
    SoundKind.VOICED_SIBILANT: ((-16.0, 9.0), (-3.0, 12.0)),
    SoundKind.STOP: ((-25.0, 12.0), (-8.0, 12.0)),
    SoundKind.SONORANT: ((-12.0, 8.0), (-28.0, 10.0)),
    SoundKind.FRICATIVE: ((-25.0, 12.0), (-6.0, 11.0)),
    SoundKind.PAUSE: ((-38.0, 6.0), (-15.0, 15.0)),
}
"""Loudness below the loudest moments, and of the highest band above the three lowest: mean and deviation, in dB."""
_ORDER: Final = {kind: at for at, kind in enumerate(_SHAPES)}
_FLOOR_DB, _HEARD_DB = -40.0, -35.0
_TOP_DB, _HIGHEST_SIBILANCE = 25.0, -10.0
"""Loud moments are vowels, and vowels are low: where they are not (a whisper), letters tell nothing of the spectrum."""
_STAY: Final = 0.2
_WORST: Final = -14.0
"""No moment counts for more: a click, a breath."""
_NEVER: Final = -1e9
_SHARE: Final = 0.75
"""Of a text's sounds: what ends before is a part of it."""
_LEAST_FRAMES, _MOST_FRAMES, _MOST_SOUNDS, _MOST_CHARACTERS = 40, 4500, 1800, 4000
"""A minute and a half, of which 20 sounds are spoken a second: that costs a fifth of a second of CPU time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How much better a text lies along a sound than lies do, in nats by the root of the moments: above 0 it does."""

    forwards: float
    """Than along the sound played backwards."""
    to_its_end: float
    """Than three quarters of it or less."""


def align(bands: Levels, text: str) -> Alignment | None:
    """Lay a text along voiced sound, a row of loudness in bands for each 20 ms; None where that would say nothing."""
    if not _LEAST_FRAMES <= len(bands) <= _MOST_FRAMES or bands.shape[1] != BAND_COUNT or len(text) > _MOST_CHARACTERS:
        return None
    found = readings(text)
    if not found or max(len(one.kinds) for one in found) > _MOST_SOUNDS:
        return None
    heard = _features(bands)
    if heard is None:
        return None
    ends = [(_ends(heard, one), _ends(heard[::-1], one), one) for one in found]
    forwards = max(_whole(straight, one) for straight, _, one in ends)
    backwards = max(_whole(reverse, one) for _, reverse, one in ends)
    part = max(float(straight[: int(straight.size * _SHARE)].max()) for straight, _, _ in ends)
    root = float(np.sqrt(len(heard)))
    return Alignment(forwards=(forwards - backwards) / root, to_its_end=(forwards - part) / root)


def _features(bands: Levels) -> Levels | None:
    """Return loudness and sibilance of each moment, without what sounds all the time."""
    power = np.power(10, bands / 10)
    power = np.maximum(power - 2 * np.percentile(power, 10, axis=0), 1e-12)
    total = 10 * np.log10(power.sum(axis=1))
    loudness = np.maximum(total - np.percentile(total, 95), _FLOOR_DB)
    sibilance = np.clip(10 * np.log10(power[:, -1] / power[:, :3].sum(axis=1)), _FLOOR_DB, _TOP_DB)
    sibilance[loudness <= _FLOOR_DB + 2] = _SHAPES[SoundKind.PAUSE][1][0]
    if np.median(sibilance[loudness > _HIGHEST_SIBILANCE]) >= _HIGHEST_SIBILANCE:
        return None
    heard = np.flatnonzero(loudness > _HEARD_DB)
    return np.stack((loudness, sibilance), axis=1)[heard[0] : heard[-1] + 1]


def _ends(heard: Levels, reading: SoundSequence) -> Levels:
    """Return for each sound of a text how likely the best way is that ends in it with the last moment."""
    likely, kinds = _likelihoods(heard), np.asarray([_ORDER[kind] for kind in reading.kinds])
    skips = np.asarray(reading.skips)
    one, two = np.full(skips.size, _NEVER), np.full(skips.size, _NEVER)
    one[2:] = -skips[1:-1]
    two[3:] = -(skips[1:-2] + skips[2:-1])
    ways = np.full(skips.size, _NEVER)
    ways[0], ways[1] = likely[0, kinds[0]], likely[0, kinds[1]] - skips[0]
    before = np.full((3, skips.size), _NEVER)
    for moment in likely[1:]:
        before[0, 1:], before[1, 2:], before[2, 3:] = ways[:-1], ways[:-2], ways[:-3]
        best = np.maximum(np.maximum(ways - _STAY, before[0]), np.maximum(before[1] + one, before[2] + two))
        ways = best + moment[kinds]
    return ways


def _likelihoods(heard: Levels) -> Levels:
    """Return how likely each moment is of each kind, in the kinds' order."""
    shapes = np.asarray(list(_SHAPES.values()))  # kind, feature, mean and deviation
    away = (heard[:, None, :] - shapes[None, :, :, 0]) / shapes[None, :, :, 1]
    likely = -(np.square(away) / 2 + np.log(shapes[None, :, :, 1])).sum(axis=2)
    return np.asarray(np.maximum(likely, _WORST), np.float64)


def _whole(ends: Levels, reading: SoundSequence) -> float:
    """Return the best way through the whole text; its last sounds may be silent."""
    last, before = reading.skips[-1], reading.skips[-2]
    return float(max(ends[-1], ends[-2] - last, ends[-3] - last - before))
