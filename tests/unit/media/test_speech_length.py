"""What a text amounts to when it is spoken."""

import pytest

from consumer.media.speech_length import USUAL_PACE, says_it_twice, spoken


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("The quick brown fox jumps over the lazy dog", 2.6),
        ("今日はとても良い天気ですね", 2.2),
        ("我们明天早上九点在火车站见面", 3.4),
        ("내일 아침 아홉 시에 역에서 만나요", 2.4),
        ("تذكر أن تسقي النباتات في المطبخ قبل أن تغادر المنزل", 3.8),
        ("อย่าลืมรดน้ำต้นไม้ในครัวก่อนออกจากบ้านพรุ่งนี้เช้า", 4.5),
        ("<speak>One    <emphasis>two</emphasis></speak>", 0.42),
        ("", 0),
        ("<break time='2s'/>", 0),
    ],
)
def test_running_text_takes_about_as_long_as_a_voice_takes(text: str, seconds: float) -> None:
    length = spoken(text)
    assert length.least * USUAL_PACE == pytest.approx(seconds, rel=0.1)
    assert length.most * USUAL_PACE == pytest.approx(seconds, rel=0.1)


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("4719", ("four seven one nine", "four thousand seven hundred nineteen")),
        ("$1,250", ("one thousand two fifty dollars", "one thousand two hundred and fifty dollars")),
        ("NASA", ("nasa", "en ay ess ay")),
        ("party 🎉", ("party", "party popper")),
        ("👍🏽", ("", "thumbs up medium skin tone")),
        ("A & B", ("A B", "A and B")),
        ("www.example.org", ("example dot org", "double u double u double u dot example dot org")),
        ("a@example.com", ("a example com", "a at example dot com")),
    ],
)
def test_what_voices_speak_differently_has_a_least_and_a_most(text: str, ways: tuple[str, str]) -> None:
    length, (short, long) = spoken(text), map(len, ways)
    assert length.least <= short + 1
    assert length.most >= long * 0.8


@pytest.mark.parametrize(
    "text", ["a" * 20_000, "1" * 20_000, "a@" * 10_000, "www." * 5_000, "1,111" * 4_000, "A" * 20_000]
)
def test_a_long_text_of_one_kind_is_weighed_at_once(text: str) -> None:
    assert 0 <= spoken(text).least <= spoken(text).most <= 20_000 * 8


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("Breathe in slowly. Breathe out slowly.", True),
        ("Bring water to a boil. Bring water to a boil.", True),
        ("The lighthouse keeper climbed the stairs and lit the lamp.", False),
        ("", False),
    ],
)
def test_a_text_that_says_it_twice_itself_is_known(text: str, *, twice: bool) -> None:
    assert says_it_twice(text) is twice


def test_a_tag_may_ask_for_a_pause() -> None:
    assert spoken('One. <break time="1.5s"/> Two. <break time="250ms"/>').pauses == 1.75
