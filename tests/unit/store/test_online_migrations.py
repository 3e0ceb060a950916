"""What stands in `migrations/online` is what its migration finds done; a table that grows is indexed nowhere else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.store.migrate import MIGRATIONS

ONLINE = sorted((MIGRATIONS / "online").glob("*.sql"))
GROWING = ("workflow_failures", "workflow_heal_attempts", "token_usage_events")
_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX (CONCURRENTLY )?(IF NOT EXISTS )?(\w+)\s+ON (\w+)\s*([^;]+);")
MEASURED = 151
"""Up to here each lock was measured on 3 million rows: the partial indexes among them need a scan of half a second."""


def indexes(file: Path) -> Iterator[tuple[str, str, str, bool]]:
    """Name, table and the rest of each index that a file builds, and whether it may be there already."""
    for unique, _, lenient, name, table, rest in _INDEX.findall(file.read_text()):
        yield name, table, " ".join(f"{unique}{rest}".split()), bool(lenient)


@pytest.mark.parametrize("file", ONLINE, ids=lambda file: file.stem)
def test_what_is_built_online_is_what_its_migration_would_build(file: Path) -> None:
    version, table, _ = file.name.split(".")
    [migration] = MIGRATIONS.glob(f"{version}_*.sql")
    would = {(name, of, rest) for name, of, rest, lenient in indexes(migration) if lenient}
    text = migration.read_text()
    built = {
        (name.removesuffix("_start"), of, rest)
        for name, of, rest, _ in indexes(file)
        if f"DROP INDEX IF EXISTS {name};" not in text
    }
    assert built, "it builds nothing"
    assert built <= would
    assert {of for _, of, _ in built} == {table}


def test_a_new_index_of_a_table_that_grows_is_built_online() -> None:
    online = {name for file in ONLINE for name, *_ in indexes(file)}
    new = [file for file in MIGRATIONS.glob("*.sql") if int(file.name.partition("_")[0]) > MEASURED]
    assert not [name for file in new for name, table, *_ in indexes(file) if table in GROWING and name not in online]
