from collections.abc import Iterable, Mapping

import pytest

from consumer.console import words
from consumer.console.json_diff import MOST_LINES, diff_rows
from consumer.console.route_drawing import MOST_STEPS, draw_route
from consumer.console.views import SHOWN_JSON, as_text, attempt_view, payload_of, pieces_of, tiles_of
from schemas.names import Disposition, FailureType, Result, Status, StoryWait, StrategyName


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (Status, words.STATUS),
        (Status, words.MEANS),
        (StoryWait, words.WAITS),
        (FailureType, words.TYPE),
        (Disposition, words.DISPOSITION),
        (StrategyName, words.STRATEGY),
        (Result, words.RESULT),
    ],
    ids=["status", "means", "waits", "type", "disposition", "strategy", "result"],
)
def test_every_name_has_its_words(names: Iterable[str], told: Mapping[str, str]) -> None:
    assert set(told) == set(names)


def test_a_reason_in_pieces_is_the_reason_with_its_words_marked() -> None:
    pieces = pieces_of("a timeout came", [{"start": 2, "end": 9, "rule": "timeout.word"}])
    assert [(one.text, one.rule) for one in pieces] == [("a ", None), ("timeout", "timeout.word"), (" came", None)]
    assert pieces_of("", []) == []


def test_a_patch_is_shown_beside_what_it_changes_and_equal_lines_are_left_out() -> None:
    before = {f"k{n}": n for n in range(20)} | {"amount": "129"}
    rows = diff_rows(before, [{"op": "replace", "path": "/amount", "value": 129, "reason": "a number"}])
    assert [(one.left, one.right) for one in rows if one.kind == "changed"] == [
        ('  "amount": "129"', '  "amount": 129')
    ]
    assert [one.kind for one in rows].count("gap") == 1


@pytest.mark.parametrize(
    ("before", "patch"),
    [
        ({}, [{"op": "replace", "path": "/gone", "value": 1}]),
        (None, [{"op": "remove", "path": "/a"}]),
        ({"a": 1}, ["not an operation"]),
        ({"a": 1}, [{"op": "bend", "path": "/a"}]),
        ({"a": 1}, [{"op": "add"}]),
        ({"a": list(range(MOST_LINES + 1))}, [{"op": "remove", "path": "/a/0"}]),
    ],
)
def test_a_patch_that_does_not_fit_or_is_too_long_has_no_rows(before: object, patch: list[object]) -> None:
    assert diff_rows(before, patch) == []


def test_a_route_is_drawn_in_the_order_of_its_steps() -> None:
    nodes = [
        {"id": "load", "state": "succeeded"},
        {"id": "send", "state": "failed"},
        {"id": "x" * 40, "state": "queued"},
    ]
    drawn = draw_route(
        {"state": "failed", "nodes": nodes, "edges": [["load", "send"], {"from": "send", "to": "x" * 40}]}
    )
    assert drawn is not None
    assert [step.tone for step in drawn.steps] == ["good", "bad", "calm"]
    first, second, third = drawn.steps
    assert first.x < second.x < third.x
    assert len(third.short) < 40 == len(third.name)
    assert all(x1 < x2 for x1, _, x2, _ in drawn.arrows)
    assert max(step.x for step in drawn.steps) < drawn.width


@pytest.mark.parametrize(
    "route",
    [
        None,
        {},
        {"nodes": "x"},
        {"nodes": [1, {}], "edges": 3} | {"nodes": []},
        {"nodes": [{"id": str(n), "state": "queued"} for n in range(MOST_STEPS + 1)]},
    ],
)
def test_what_is_no_route_is_not_drawn(route: object) -> None:
    assert draw_route(route) is None


def test_a_route_in_a_circle_and_with_odd_edges_is_drawn_all_the_same() -> None:
    nodes = [{"id": name, "state": "blocked"} for name in "ab"]
    drawn = draw_route({"nodes": nodes, "edges": [["a", "b"], ["b", "a"], ["a", "a"], ["a", "c"], 7]})
    assert drawn is not None
    assert len(drawn.arrows) == 2


def test_an_attempt_of_any_details_can_be_shown() -> None:
    for details in ({}, "text", None, {"repair": 3, "route": [], "evidence": {}, "code": None}):
        shown = attempt_view({"details": details}, {"a": 1})
        assert (shown.edits, shown.before, shown.proofs) == ([], None, [])


def test_what_is_long_is_cut_and_says_so() -> None:
    assert as_text({"a": "x" * 2 * SHOWN_JSON}).endswith("characters more")
    assert payload_of({"request": {"body": [1]}}) == [1]
    assert payload_of("text") is None


def test_tiles_say_where_more_stand_than_are_counted() -> None:
    counts = {"byStatus": dict.fromkeys(Status, 2), "more": [Status.GIVEN_UP], "healedInADay": 5, "most": 1000}
    tiles = {one.label: (one.count, one.is_chosen) for one in tiles_of(counts, ["needs_person"])}
    assert tiles["Given up"] == ("2+", False)
    assert tiles["Need a person"] == ("2", True)
    assert tiles["Healed in a day"] == ("5", False)
