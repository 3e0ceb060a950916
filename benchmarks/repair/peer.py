"""`python -m benchmarks.repair.peer`: json_repair's schema mode behind the same lines as `shw repair --jsonl`."""

import json
import signal
import sys
from types import FrameType
from typing import Final

import json_repair

from tests.support.damaged.schema_positions import Json, Schema

_SECONDS: Final = 5


def main() -> None:
    """Answer each line."""
    signal.signal(signal.SIGALRM, _late)
    for told in sys.stdin:
        asked = json.loads(told)
        answer = _answer(asked["text"], asked["schema"])
        sys.stdout.write(json.dumps({"id": asked["id"], **answer}) + "\n")


def _answer(text: str, schema: Schema) -> dict[str, Json]:
    signal.alarm(_SECONDS)
    try:
        document = json_repair.loads(text, schema=schema)
    except Exception as error:  # noqa: BLE001 - whatever it raises is its way to refuse
        return {"status": "refused", "reason": f"{type(error).__name__}: {error}"[:200]}
    finally:
        signal.alarm(0)
    return {"status": "repaired", "document": document}


def _late(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"not within {_SECONDS} s")


if __name__ == "__main__":
    main()
