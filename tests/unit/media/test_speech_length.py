"""What a text amounts to when it is spoken."""

import pytest

from consumer.media.speech_length import USUAL_PACE, spoken


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("The quick brown fox jumps over the lazy dog.", 2.6),
        ("Your code is 4 7 1 9.", 1.9),
        ("In 1984 it cost $1,250.", 3.0),
        ("今日はとても良い天気ですね。", 2.0),
        ("我们明天早上九点在火车站见面。", 3.2),
        ("내일 아침 아홉 시에 역에서 만나요.", 2.6),
        ("<speak>One.   <emphasis>Two.</emphasis></speak>", 0.6),
        ("", 0),
        ("<break time='2s'/>", 0),
    ],
)
def test_a_text_takes_about_as_long_as_a_voice_takes(text: str, seconds: float) -> None:
    assert spoken(text).characters * USUAL_PACE == pytest.approx(seconds, rel=0.3)


def test_a_tag_may_ask_for_a_pause() -> None:
    assert spoken('One. <break time="1.5s"/> Two. <break time="250ms"/>').pauses == 1.75
