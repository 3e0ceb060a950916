"""A kit that reports into a file of its own, and a service that fails in every way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.report_cases import running_service
from tests.support.report_kit import Reported, reporting


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_service() as where:
        yield where


@pytest.fixture
def reported(tmp_path: Path) -> Iterator[Reported]:
    with reporting(tmp_path) as kit:
        yield kit
