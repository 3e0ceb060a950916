"""Faults of our own, told apart from those of the other side."""

import errno
import threading

import pytest

from consumer.errors import OutOfResources, OwnFault, TransientError, own_fault


def caused(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (OSError(errno.EMFILE, "Too many open files"), OwnFault.OPEN_FILES),
        (OSError(errno.ENFILE, "Too many open files in system"), OwnFault.OPEN_FILES),
        (OSError(errno.ENOBUFS, "No buffer space available"), OwnFault.BUFFERS),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), OwnFault.MEMORY),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), OwnFault.PROCESSES),
        (MemoryError(), OwnFault.MEMORY),
        (RuntimeError("can't start new thread"), OwnFault.PROCESSES),
        (caused(TransientError("no connection"), OSError(errno.EMFILE, "")), OwnFault.OPEN_FILES),
        (caused(OSError("All attempts failed"), ExceptionGroup("", [OSError(errno.EMFILE, "")])), OwnFault.OPEN_FILES),
        (OutOfResources(OwnFault.MEMORY), OwnFault.MEMORY),
        (OSError(errno.ECONNREFUSED, ""), None),
        (OSError(errno.ETIMEDOUT, ""), None),
        (OSError(errno.ENETUNREACH, ""), None),
        (ConnectionResetError(errno.ECONNRESET, ""), None),
        (TimeoutError(), None),
        (RuntimeError("a bug"), None),
        (ExceptionGroup("", [OSError(errno.ECONNREFUSED, ""), ValueError()]), None),
    ],
    ids=str,
)
def test_only_a_want_of_this_process_is_a_fault_of_our_own(error: BaseException, fault: OwnFault | None) -> None:
    assert own_fault(error) is fault


def test_a_thread_that_cannot_be_started_says_so_in_these_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading._start_new_thread", refuse)
    with pytest.raises(RuntimeError) as raised:
        threading.Thread(target=print).start()
    assert own_fault(raised.value) is OwnFault.PROCESSES


def test_causes_that_go_round_in_a_circle_end() -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert own_fault(one) is None
