"""The board of live runs: coalescing, old news, learning, and silence that counts only where it was read."""

from collections.abc import Sequence
from uuid import UUID

from consumer.heartbeats.board import Absorbed, RunBoard
from consumer.heartbeats.deadline import Allowance
from consumer.heartbeats.watermark import Watermarks
from consumer.model import FailureId
from consumer.model.live_run import Beat, BeatBatch, LiveRun, StepName
from schemas.names import RunStatus
from tests.support.heartbeats import ORG, beat


def thirty_seconds(_step: StepName, _gaps: Sequence[float]) -> Allowance | None:
    return Allowance(seconds=30.0, learnt=False)


def marks(**up_to: float) -> Watermarks:
    found = Watermarks()
    found.assign(int(name[1:]) for name in up_to)
    found.mark({int(name[1:]): 0 for name in up_to}, 0.0)
    for name, asked in up_to.items():
        found.came_to({int(name[1:]): 0})
        found.mark({int(name[1:]): 10}, asked)
        found.came_to({int(name[1:]): 10})
    return found


def take(board: RunBoard, one: Beat, at: float) -> Absorbed:
    return board.absorb(one, received=at, not_before=at)


def kept(board: RunBoard, watermarks: Watermarks | None = None) -> list[LiveRun]:
    batch = board.changes(thirty_seconds, watermarks or Watermarks(), 100)
    board.kept(batch, {})
    return list(batch.runs)


def test_beats_of_one_run_within_an_interval_cost_one_row() -> None:
    board = RunBoard(10)
    for offset in range(5):
        take(board, beat(offset=offset), 100.0 + offset)
    (run,) = kept(board)
    assert (run.heard, run.beat.offset, run.allowed) == (104.0, 4, 30.0)
    assert kept(board) == []


def test_what_was_read_before_and_what_an_earlier_start_sends_is_old() -> None:
    board = RunBoard(10)
    take(board, beat(offset=5, epoch=2), 100.0)
    assert take(board, beat(offset=5, epoch=2), 200.0) is Absorbed.OLD
    assert take(board, beat(offset=9, epoch=1), 200.0) is Absorbed.OLD
    assert board.runs[beat().name].heard == 100.0
    assert take(board, beat(offset=0, epoch=2, stamped=900.0), 1000.0) is Absorbed.TAKEN  # a topic made anew


def test_a_run_that_is_over_leaves_the_board_and_its_row_goes() -> None:
    board = RunBoard(10)
    take(board, beat(offset=1), 100.0)
    kept(board)
    take(board, beat(offset=2, status=RunStatus.COMPLETED), 101.0)
    batch = board.changes(thirty_seconds, Watermarks(), 100)
    assert not board.runs
    assert [run.beat.name for run in batch.over] == [beat().name]
    assert not batch.runs


def test_what_is_kept_in_parts_says_how_far_it_was_read_with_the_last_of_them_alone() -> None:
    board, reading = RunBoard(10), marks(p0=130.0)
    for number in range(5):
        take(board, beat(f"run-{number}", number), 100.0)
    take(board, beat("over", 9, status=RunStatus.COMPLETED), 100.0)
    parts: list[BeatBatch] = []
    while not parts or not parts[-1].is_last:
        parts.append(board.changes(thirty_seconds, reading, 2))
        board.kept(parts[-1], {})
    assert [len(part.runs) for part in parts] == [2, 2, 1]
    assert [len(part.over) for part in parts] == [0, 0, 1]
    assert [bool(part.read) for part in parts] == [False, False, True]
    assert {run.beat.name.run_id for part in parts for run in part.runs} == {f"run-{number}" for number in range(5)}


def test_what_many_steps_have_learnt_is_kept_in_parts() -> None:
    board = RunBoard(10)
    for offset in (0, 1):
        for number in range(5):
            one = beat(f"run-{number}", 10 * offset + number, step=f"step-{number}", stamped=offset * 10.0)
            take(board, one, 100.0 + offset)
    parts: list[BeatBatch] = []
    while not parts or not parts[-1].is_last:
        parts.append(board.changes(thirty_seconds, Watermarks(), 3))
        board.kept(parts[-1], {})
    assert sum(len(part.gaps) for part in parts) == 5
    assert all(len(part.runs) + len(part.over) + len(part.gaps) <= 3 + 1 for part in parts)


def test_a_beat_that_comes_while_the_one_before_is_being_kept_is_kept_next() -> None:
    board = RunBoard(10)
    take(board, beat(offset=1), 100.0)
    batch = board.changes(thirty_seconds, Watermarks(), 100)
    take(board, beat(offset=2), 101.0)
    board.kept(batch, {})
    assert [run.beat.offset for run in kept(board)] == [2]
    assert kept(board) == []


def test_a_beat_that_was_sent_before_its_runs_end_and_comes_after_it_begins_no_run() -> None:
    board = RunBoard(10)
    take(board, beat(offset=1, beat_at=1.0), 100.0)
    take(board, beat(offset=2, beat_at=3.0, status=RunStatus.COMPLETED), 101.0)
    assert take(board, beat(offset=3, beat_at=2.0), 102.0) is Absorbed.OLD
    assert not board.runs
    assert take(board, beat(offset=4, beat_at=4.0), 103.0) is Absorbed.TAKEN  # it has begun again


def test_a_later_start_lives_whatever_its_clock_says() -> None:
    board = RunBoard(10)
    take(board, beat(offset=1, beat_at=9.0, epoch=1, status=RunStatus.FAILED), 101.0)
    assert take(board, beat(offset=2, beat_at=2.0, epoch=1), 102.0) is Absorbed.OLD
    assert take(board, beat(offset=3, beat_at=2.0, epoch=2), 102.0) is Absorbed.TAKEN


def test_a_deadline_that_was_changed_counts_for_runs_that_are_silent_already() -> None:
    board = RunBoard(10)
    take(board, beat(offset=1), 100.0)
    kept(board)
    board.reconsider(thirty_seconds)
    assert kept(board) == []
    board.reconsider(lambda _step, _gaps: Allowance(seconds=90.0, learnt=False))
    batch = board.changes(lambda _step, _gaps: Allowance(seconds=90.0, learnt=False), Watermarks(), 100)
    assert [run.allowed for run in batch.runs] == [90.0]


def test_beyond_its_room_it_takes_no_new_runs_and_goes_on_with_those_it_has() -> None:
    board = RunBoard(1)
    take(board, beat("run-1", 1), 100.0)
    assert take(board, beat("run-2", 2), 100.0) is Absorbed.NO_ROOM
    assert take(board, beat("run-1", 3), 101.0) is Absorbed.TAKEN


def test_silence_counts_only_up_to_where_its_partition_was_read() -> None:
    board = RunBoard(10)
    take(board, beat("run-1", 1), 100.0)
    take(board, beat("run-2", 1, partition=1), 100.0)
    kept(board)
    assert not list(board.overdue(marks(p0=129.9, p1=129.9)))
    assert [run.beat.name.run_id for run in board.overdue(marks(p0=130.0, p1=129.9))] == ["run-1"]
    assert not list(board.overdue(Watermarks()))


def test_a_position_that_stays_behind_the_asked_end_moves_no_watermark() -> None:
    reading = Watermarks()
    reading.assign([0])
    reading.mark({0: 100}, 50.0)
    reading.came_to({0: 99})
    reading.mark({0: 120}, 60.0)
    assert reading.up_to(0) is None
    reading.came_to({0: 100})
    assert reading.up_to(0) == 50.0
    assert reading.age(80.0) == 30.0


def test_healthy_gaps_are_learnt_and_those_of_a_stall_are_not() -> None:
    board = RunBoard(10)
    for offset in range(4):
        take(board, beat(offset=offset, stamped=offset * 10.0), 100.0 + offset * 10)
        kept(board)
    take(board, beat(offset=9, stamped=500.0), 600.0)  # 470 s, where 30 are allowed
    board.runs[beat().name].told = FailureId(UUID(int=7))
    take(board, beat(offset=10, stamped=505.0), 605.0)
    batch = board.changes(thirty_seconds, Watermarks(), 100)
    assert batch.gaps == []
    fresh = RunBoard(10)
    for offset in range(4):
        take(fresh, beat(offset=offset, stamped=offset * 10.0), 100.0 + offset * 10)
    assert fresh.changes(thirty_seconds, Watermarks(), 100).gaps == [
        (StepName(ORG, "orders", "fetch"), (10.0, 10.0, 10.0))
    ]


def test_a_run_that_is_not_executing_is_expected_to_say_nothing() -> None:
    board = RunBoard(10)
    take(board, beat(offset=1, status=RunStatus.PLANNING), 100.0)
    kept(board)
    assert not list(board.overdue(marks(p0=10_000.0)))


def test_a_told_run_that_beats_again_is_found_and_tells_no_second_stall() -> None:
    board = RunBoard(10)
    take(board, beat(offset=1), 100.0)
    kept(board)
    run = board.runs[beat().name]
    run.told = FailureId(UUID(int=7))
    assert not list(board.overdue(marks(p0=10_000.0)))
    assert not board.beating_again()
    take(board, beat(offset=2), 200.0)
    assert board.beating_again() == [run]
