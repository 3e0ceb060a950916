"""A worker of the small runner: a process of its own that does steps, one at a time, and really dies when it is killed.

It reads a task a line, and writes what it does to a ledger that outlives it: `begun`, then, where the step works,
`done`. While it works it beats.
"""

import json
import os
import sys
import time

BEAT = 0.02


def note(ledger: str, what: str, task: dict[str, str]) -> None:
    line = f"{what} {task['run']} {task['step']}\n".encode()
    there = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(there, line)
    os.close(there)


def say(word: str, task: dict[str, str]) -> None:
    sys.stdout.write(json.dumps({"word": word, "run": task["run"], "step": task["step"], "copy": task["copy"]}) + "\n")
    sys.stdout.flush()


def main() -> None:
    ledger = sys.argv[1]
    for line in sys.stdin:
        task = json.loads(line)
        if task["does"] == "ignores":  # a worker that takes nothing, although it is there
            continue
        note(ledger, "begun", task)
        say("begun", task)
        while task["does"] == "hangs":
            time.sleep(BEAT)
            say("beat", task)
        if task["does"] == "dies":
            os.abort()
        if task["does"] == "fails":
            say("failed", task)
            continue
        note(ledger, "done", task)
        say("done", task)


if __name__ == "__main__":
    main()
