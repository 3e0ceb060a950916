import resource

import pytest

from consumer.errors import ConfigError
from consumer.service.startup_checks import FEWEST_CALLERS, OTHER_FILES, allow_open_files, check_client


def with_limits(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> list[tuple[int, int]]:
    changes: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _what, limits: changes.append(limits))
    return changes


def test_the_limit_of_open_files_is_raised_to_what_the_slots_need(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = with_limits(monkeypatch, 1024, 4096)
    allow_open_files(2000)
    assert changes == [(2000 + OTHER_FILES + FEWEST_CALLERS, 4096)]


def test_a_limit_that_is_high_enough_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = with_limits(monkeypatch, 4096, 4096)
    allow_open_files(2000)
    assert changes == []


def test_more_slots_than_files_can_be_opened_is_told_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with_limits(monkeypatch, 1024, 1024)
    with pytest.raises(ConfigError, match=r"SHW_HEAL__SLOTS=2000 needs 2256 open files and the limit is 1024"):
        allow_open_files(2000)


def test_a_codec_that_is_missing_is_told_before_the_start_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_client()
    monkeypatch.setattr("aiokafka.codec.cramjam", None)
    with pytest.raises(ConfigError, match=r"snappy, lz4, zstd: pip install 'cramjam>=2.11'"):
        check_client()
