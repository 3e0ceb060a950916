"""What only an operator can mend in the database ends the process with one line, and not with a traceback."""

import asyncpg
import pytest

from consumer.cli.exits import ExitCode, code_of
from consumer.errors import ConfigError
from consumer.store.pool import translated


@pytest.mark.parametrize(
    "refusal",
    [
        asyncpg.InvalidPasswordError,
        asyncpg.InvalidSchemaNameError,
        asyncpg.InsufficientPrivilegeError,
        asyncpg.UndefinedTableError,
        asyncpg.UndefinedColumnError,
        asyncpg.UndefinedFunctionError,
    ],
)
def test_it_says_what_to_check(refusal: type[asyncpg.PostgresError]) -> None:
    with pytest.raises(ConfigError, match=r"gone\. Check .*shw migrate.*grants\.sql") as ended, translated():
        raise refusal("it is gone")
    assert code_of(ended.value) is ExitCode.USAGE


def test_a_mistake_of_the_code_is_no_matter_of_the_operator() -> None:
    with pytest.raises(asyncpg.PostgresSyntaxError), translated():
        raise asyncpg.PostgresSyntaxError("at or near")
