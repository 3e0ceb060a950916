"""What the pages say to type where no server is needed, word for word."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.shw import SHW, environment

README: Final = (ROOT / "README.md").read_text()
STRATEGIES: Final = (ROOT / "docs" / "strategies.md").read_text()


def _blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def _typed(block: str, folder: Path) -> list[str]:
    (folder / "deploy").symlink_to(ROOT / "deploy")
    ran = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", block],
        env=environment({}) | {"PATH": f"{Path(SHW).parent}:{os.environ['PATH']}"},
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout.decode().splitlines()


def test_the_event_of_the_readme_would_be_healed_as_it_says_to_ask(tmp_path: Path) -> None:
    publishing = README.partition("## Publish a failure\n")[2].partition("\n## ")[0]
    (tmp_path / "event.json").write_text(_blocks(publishing, "json")[0])
    said = _typed(_blocks(publishing, "sh")[1], tmp_path)
    assert "auto-retry" in "\n".join(said)


def test_documents_are_repaired_and_a_failure_is_diagnosed_as_the_page_says(tmp_path: Path) -> None:
    repairing = STRATEGIES.partition("### The repair engine\n")[2].partition("\n### ")[0]
    (diagnosing, *_) = _blocks(STRATEGIES, "sh")
    said = _typed(diagnosing + _blocks(repairing, "sh")[0], tmp_path)
    diagnosed, one, line = map(json.loads, said)
    assert diagnosed["failure_type"] == "api_timeout"
    assert one["document"] == {"order_id": 17, "state": "open"}
    assert (line["id"], line["document"]) == (1, 17)
