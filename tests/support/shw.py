"""The `shw` command in a process of its own, forked or, as a shell runs it, from its start."""

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consumer.cli.main import main
from consumer.local.broker import Broker
from tests.support.forked import Streams, fork
from tests.support.patience import PATIENCE

SHW = str(Path(sys.executable).with_name("shw"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> list[Any]:
        """Its output, one JSON value a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours, with these settings and none of the caller's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SHW_")} | dict(settings)


def shw(*arguments: str, settings: Mapping[str, str] | None = None, stdin: bytes = b"") -> Ran:
    with tempfile.TemporaryDirectory(prefix="shw-") as directory:
        given, out, err = (Path(directory, name) for name in ("in", "out", "err"))
        given.write_bytes(stdin)
        streams = Streams(stdin=given, stdout=out, stderr=err)
        process = fork(main, list(arguments), environment=environment(settings or {}), streams=streams)
        code = process.join(PATIENCE)
        if code is None:
            process.kill()
            raise TimeoutError(f"shw {arguments} has not ended within {PATIENCE} s: {err.read_text()}")
        return Ran(code=code, out=out.read_bytes(), err=err.read_text())


def installed_shw(*arguments: str, settings: Mapping[str, str] | None = None, stdin: bytes = b"") -> Ran:
    ran = subprocess.run(
        [SHW, *arguments],
        env=environment(settings or {}),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    return Ran(code=ran.returncode, out=ran.stdout, err=ran.stderr.decode())


def kafka_settings(broker: Broker) -> dict[str, str]:
    """Settings for a broker that tests share: topics and a group of one's own."""
    own = uuid.uuid4().hex[:8]
    return {
        "SHW_KAFKA__BOOTSTRAP": broker.bootstrap,
        "SHW_KAFKA__IDEMPOTENCE": str(broker.idempotence),
        "SHW_KAFKA__GROUP_ID": f"group-{own}",
        "SHW_KAFKA__FAILURES_TOPIC": f"failures-{own}",
        "SHW_KAFKA__RESULTS_TOPIC": f"results-{own}",
        "SHW_KAFKA__DLQ_TOPIC": f"dlq-{own}",
        "SHW_KAFKA__COMMANDS_TOPIC": f"commands-{own}",
        "SHW_KAFKA__HEARTBEATS_TOPIC": f"heartbeats-{own}",
    }
