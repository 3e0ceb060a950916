"""The recording of the demo: few states of bounded length, whole text, and no sign of the machine that made it."""

import re
from xml.etree import ElementTree as ET

from consumer.demo.checks import Check
from consumer.demo.state import Look
from dashboards.recording import END, LONGEST, MOST, PICTURE, SHORTEST, Frame, Recording, shown_frames, to_svg
from tests.unit.demo.test_view import failure


def test_states_are_few_and_each_is_shown_for_a_while_and_the_end_for_longest() -> None:
    frames = [Frame(at / 10, (f"line {at // 2}",)) for at in range(400)]
    shown = shown_frames(frames)
    assert len(shown) == MOST
    assert {span for _, span in shown[:-1]} <= {span for _, span in shown if SHORTEST <= span <= LONGEST}
    assert shown[-1] == (("line 199",), END)


def test_a_picture_has_the_lines_of_each_state_and_nothing_of_the_machine() -> None:
    recording = Recording()
    recording.say("a consumer (pid 4711) is ready; its log: /home/ada/checkout/.local/demo/consumer-1.log")
    recording.show(Look(standings=(failure("orders.place"),)))
    recording.end(Look(standings=(failure("orders.place"),)), [Check(name="c")], "lost 0, repeated 0")
    drawn = to_svg(shown_frames(recording.frames))
    ET.fromstring(drawn)
    assert "orders.place" in drawn
    assert "1 of 1 checks passed: lost 0, repeated 0" in drawn
    assert not re.search("4711|/home/|consumer-1", drawn)


def test_the_committed_picture_is_one_of_a_run_that_went_well() -> None:
    drawn = PICTURE.read_text()
    ET.fromstring(drawn)
    assert re.search(r"(\d+) of \1 checks passed: lost 0, repeated 0", drawn)
    assert not re.search(r"\(pid|/\.local/|127\.0\.0\.1:\d", drawn)
