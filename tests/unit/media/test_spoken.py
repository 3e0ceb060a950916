"""Speech of espeak-ng in many languages, and of what is no running text: whole it passes, half or doubled it fails.

An ordinary run makes one voice for each kind of script, and one text for each kind of what is no running text; what
each of them weighs is in `test_speech_length.py`. `SHW_FAULT_MATRIX=full` makes all of them, slow and quick.
"""

import os
import subprocess
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np
import pytest

from consumer.media.sounds import BAND_COUNT
from consumer.media.speech_alignment import align
from consumer.media.speech_length import spoken
from consumer.media.validation import validate
from consumer.media.verdict import MediaCheck, MediaExpectation
from schemas.names import AssetKind, Verdict
from tests.support.media.voices import Samples, wav

pytestmark = pytest.mark.needs_tool("espeak-ng")
RATE: Final = 22_050
FULL: Final = os.environ.get("SHW_FAULT_MATRIX") == "full"
SHORT: Final = 4
"""A word that is said twice takes no longer than a slow beginning and end."""
PROSE: Final = (
    ("en-us", "Please remember to water the plants in the kitchen before you leave the house tomorrow morning."),
    ("en-gb-scotland", "Our new winter collection has arrived, and every coat is made of recycled wool."),
    ("de", "Bitte denken Sie daran, morgen früh vor der Abreise die Blumen in der Küche zu gießen."),
    ("fr-fr", "Veuillez penser à arroser les plantes de la cuisine avant de quitter la maison demain matin."),
    ("es", "Recuerde regar las plantas de la cocina antes de salir de casa mañana por la mañana."),
    ("ru", "Не забудьте полить цветы на кухне, прежде чем выйти из дома завтра утром."),  # noqa: RUF001
    ("tr", "Yarın sabah evden çıkmadan önce mutfaktaki çiçekleri sulamayı unutmayın lütfen."),  # noqa: RUF001
    ("hi", "कृपया कल सुबह घर से निकलने से पहले रसोई के पौधों को पानी देना याद रखें।"),
    ("ar", "تذكر أن تسقي النباتات في المطبخ قبل أن تغادر المنزل صباح الغد."),
    ("th", "อย่าลืมรดน้ำต้นไม้ในครัวก่อนออกจากบ้านพรุ่งนี้เช้า"),
    ("cmn", "请记得明天早上出门之前给厨房里的植物浇水。"),
    ("ja", "あしたのあさ、いえをでるまえに、だいどころのしょくぶつにみずをやってください。"),
    ("ko", "내일 아침 집을 나서기 전에 부엌에 있는 식물에 물을 주는 것을 잊지 마세요."),
)
NO_PROSE: Final = (
    ("en-us", "Call us on 0412 345 678, or on +61 2 9876 5432."),
    ("en-us", "4929 1182 0034 7716"),
    ("en-us", "Revenue grew by 37% to $19,980,000 in 2025."),
    ("en-us", "The FBI asked NASA for the HTTP logs: ISO 9001 & IEC 62304."),
    ("en-us", "Open https://www.example.com/a/b?id=4, or write to anna.long@mail.example.com."),
    ("en-us", "Deliver it to 221B Baker St., London NW1 6XE."),
    ("en-us", "We love it 😀🎉 and so will you 🚀👍🏽!"),
    ("en-us", "Milk\nEggs\nBread\nButter\nTea"),
    ("en-us", "5, 4, 3, 2, 1, go!"),
    ("en-us", "Yes."),
    ("de", "Rufen Sie 0171 2345678 an: Hauptstr. 17, 10115 Berlin, um 17:45 Uhr."),
    ("fr-fr", "En 1984, cela coûtait 1 250 €; appelez le 01 42 68 53 00."),
    ("ru", "США и СССР в 1975 году: 8 800 555 35 35."),  # noqa: RUF001
    ("cmn", "2026年3月14日下午5点45分，电话 400 123 4567。"),  # noqa: RUF001
)
THAT_REPEAT_THEMSELVES: Final = (
    "Breathe in slowly. Breathe out slowly.",
    "Bring water to a boil. Bring water to a boil.",
    "Turn left at the church. Turn right at the bank.",
    "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.",
)
USUAL_PROSE: Final = PROSE if FULL else tuple(one for one in PROSE if one[0] in ("en-us", "ar", "cmn"))
USUAL_NO_PROSE: Final = NO_PROSE if FULL else (*NO_PROSE[:2], *NO_PROSE[4:7:2], NO_PROSE[9], NO_PROSE[12])
LATIN: Final = tuple(one for one in PROSE if one[0] not in ("fr-fr", "hi", "ar", "th", "cmn", "ja", "ko"))
"""French tells too little of its sounds in its letters, and the others have none of the letters that are known."""
USUAL_BACKWARDS: Final = (*(LATIN if FULL else LATIN[::3]), NO_PROSE[0])
USUAL_HALVES: Final = LATIN if FULL else LATIN[::3]
NUMBERS: Final = tuple(text for voice, text in NO_PROSE[:3] if voice == "en-us")
SPEEDS: Final = (150, 195) if FULL else (175,)


@cache
def said(voice: str, text: str, speed: int = 175) -> Samples:
    argv = ("espeak-ng", "-v", voice, "-s", str(speed), "--stdout")
    made = subprocess.run(argv, input=text.encode(), check=True, capture_output=True).stdout
    return np.frombuffer(made[44:], "<i2").astype(np.float64) / 32768


def heard(samples: Samples) -> Samples:
    """Without the silence at its ends."""
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1]]


def judged(samples: Samples, text: str, **asked: float) -> tuple[MediaCheck, ...]:
    expected = replace(MediaExpectation(kind=AssetKind.AUDIO, text=text), **asked)  # type: ignore[arg-type]
    verdict = validate(wav(samples, RATE), expected)
    assert (verdict.verdict is Verdict.FAILED) == bool(verdict.failed)
    return verdict.failed


def half(samples: Samples) -> Samples:
    return heard(samples)[: heard(samples).size // 2]


def doubled(samples: Samples, pause: float) -> Samples:
    return np.concatenate((heard(samples), np.zeros(int(pause * RATE)), heard(samples)))


@pytest.mark.parametrize(("voice", "text"), [*USUAL_PROSE, *USUAL_NO_PROSE])
def test_true_speech_passes_slow_and_quick(voice: str, text: str) -> None:
    for speed in SPEEDS:
        assert judged(said(voice, text, speed), text) == (), speed


@pytest.mark.parametrize("text", THAT_REPEAT_THEMSELVES)
def test_true_speech_of_a_text_that_repeats_itself_passes(text: str) -> None:
    for speed in (110, 175) if FULL else (110,):
        assert judged(said("en-us", text, speed), text) == (), speed


@pytest.mark.parametrize(("voice", "text"), USUAL_PROSE)
def test_half_and_doubled_speech_is_refused_where_the_pace_of_the_voice_is_known(voice: str, text: str) -> None:
    whole = said(voice, text)
    pace = heard(whole).size / RATE / spoken_characters(text)
    assert judged(whole, text, seconds_per_character=pace) == ()
    assert MediaCheck.SPEECH_LENGTH in judged(half(whole), text, seconds_per_character=pace)
    assert judged(doubled(whole, 0.3), text, seconds_per_character=pace) != ()


@pytest.mark.parametrize(("voice", "text"), [one for one in (*USUAL_PROSE, *USUAL_NO_PROSE) if len(one[1]) > SHORT])
def test_doubled_speech_is_refused_of_a_voice_of_any_pace(voice: str, text: str) -> None:
    assert judged(doubled(said(voice, text, SPEEDS[-1]), len(text) % 7 / 10), text) != ()


def test_a_sentence_that_is_spoken_again_in_one_breath_is_refused() -> None:
    for voice, text in PROSE[: 4 if FULL else 1]:
        assert judged(said(voice, f"{text} {text}", 190), text) == (MediaCheck.SPOKEN_TWICE,), voice


@pytest.mark.parametrize(("voice", "text"), [*USUAL_BACKWARDS])
def test_speech_that_is_played_backwards_is_refused(voice: str, text: str) -> None:
    assert judged(said(voice, text)[::-1], text) == (MediaCheck.BACKWARDS,)


@pytest.mark.parametrize(("voice", "text"), USUAL_HALVES)
def test_half_a_speech_of_a_voice_of_any_pace_is_refused(voice: str, text: str) -> None:
    assert judged(half(said(voice, text)), text) in ((MediaCheck.UNFINISHED,), (MediaCheck.SPEECH_LENGTH,))


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_that_end_within_a_sound_are_refused_at_half_their_length(text: str) -> None:
    whole = said("en-us", text)
    assert judged(whole, text) == ()
    assert judged(ending_loud(heard(whole), 0.55), text) != ()
    assert judged(ending_loud(heard(whole), 0.98), text) == (), "it is as long as it should be"


def ending_loud(samples: Samples, share: float) -> Samples:
    """Cut at the last loud sample before a share of it."""
    until = int(samples.size * share)
    loud = np.abs(samples[:until]) > 0.5 * np.abs(samples).max()
    return samples[: np.flatnonzero(loud)[-1] + 1]


@pytest.mark.parametrize("voice", ["fr-fr", "de", "es"])
def test_numbers_in_a_language_that_is_not_known_are_not_judged_by_their_sounds(voice: str) -> None:
    assert align(np.zeros((200, BAND_COUNT)), "01 42 68 53 00") is None
    assert judged(said(voice, "01 42 68 53 00"), "01 42 68 53 00") == ()


def test_a_whisper_is_not_judged_by_its_sounds() -> None:
    text = PROSE[0][1]
    assert judged(said("en-us+whisper", text), text) == ()


def test_speech_that_was_asked_to_be_slow_may_be_slow() -> None:
    voice, text = PROSE[6]
    slow = said(voice, text, 80)
    assert judged(slow, text) == (MediaCheck.SPEECH_LENGTH,)
    assert judged(slow, text, speed=0.5) == ()


def spoken_characters(text: str) -> float:
    return (spoken(text).least + spoken(text).most) / 2
