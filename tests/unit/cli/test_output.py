"""Output that cannot be written, and variables that nobody reads: one line each, and the code that README says."""

import subprocess
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE
from tests.support.shw import SHW, environment, installed_shw


@pytest.mark.parametrize("asked", [("catalog", "example"), ("--version",), ("catalog", "--help")], ids=" ".join)
def test_a_full_disk_is_one_line_and_no_traceback(asked: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [SHW, *asked], env=environment({}), stdout=full, stderr=subprocess.PIPE, check=False, timeout=PATIENCE
        )
    assert (ran.returncode, ran.stderr) == (3, b"shw: The output cannot be written: No space left on device.\n")


def test_a_variable_that_is_no_setting_is_told_with_the_one_that_was_meant() -> None:
    catalog = Path(__file__).parents[3] / "deploy" / "catalog.example.yaml"
    meant = {"SHW_KAFKA_BOOTSTRAP": "a:9092", "SHW_CATALOG": str(catalog)}
    ran = installed_shw("catalog", "check", settings=meant)
    says = "shw: SHW_KAFKA_BOOTSTRAP is no setting, and is not read: did you mean SHW_KAFKA__BOOTSTRAP?\n"
    assert (ran.code, ran.err) == (0, says)

    ran = installed_shw("catalog", "check", settings={"SHW_KAFKA__BOOTSTRP": "a:9092"})
    says = "shw: Settings: SHW_KAFKA__BOOTSTRP: there is no such field: did you mean `SHW_KAFKA__BOOTSTRAP`?\n"
    assert (ran.code, ran.err) == (2, says)
