"""`python -m dashboards`: write Grafana's JSON of every page into deploy/grafana/."""

import argparse
import sys

from dashboards.grafana import expected, write


def main() -> int:
    """Write what is out of date, or with `--check` tell it and return 1."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write what is out of date")
    action.add_argument("--check", action="store_true", help="tell what is out of date, and write nothing")
    if parser.parse_args().write:
        for path in write():
            sys.stdout.write(f"written: {path}\n")
        return 0
    stale = [path for path, text in expected().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        sys.stdout.write(f"out of date: {path}: python -m dashboards --write\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
