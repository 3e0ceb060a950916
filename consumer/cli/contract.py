"""`shw schemas`: prints, checks and writes the documents of the wire contract."""

import sys

from consumer.cli.exits import ExitCode, say
from schemas.documents import GENERATED, differences, write


def print_names() -> None:
    """Print the documents' names."""
    for path in sorted(GENERATED.iterdir()):
        print(_name(path.name))  # noqa: T201 - the command's answer


def print_document(name: str) -> ExitCode:
    """Print one document."""
    found = next((path for path in GENERATED.iterdir() if _name(name) == _name(path.name)), None)
    if found is None:
        say(f"No document {name!r}: `shw schemas` prints the names.")
        return ExitCode.NO
    sys.stdout.write(found.read_text(encoding="utf-8"))
    return ExitCode.OK


def check_documents() -> ExitCode:
    """Compare the documents with the models, and print the differences."""
    found = differences()
    for line in found:
        print(line)  # noqa: T201 - the command's answer
    return ExitCode.NO if found else ExitCode.OK


def write_documents() -> None:
    """Regenerate every document from the models."""
    write()
    say(f"Wrote {GENERATED}.")


def _name(file_name: str) -> str:
    return file_name.removesuffix(".json").removesuffix(".schema")
