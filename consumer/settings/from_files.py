"""Settings whose values lie in files, as secrets are mounted: `SHW_POSTGRES__DSN_FILE` names the one of the DSN."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from consumer.errors import ConfigError

SUFFIX: Final = "_FILE"
_MOST_BYTES: Final = 64 * 1024


def values_in_files(environment: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return the settings that the environment names a file for, each with its text, without the end of its last line.

    Raises
    ------
    ConfigError
        A file cannot be read, or the setting is given beside it; no value is quoted.

    """
    found = {}
    for variable, path in environment.items():
        name = variable.upper().removesuffix(SUFFIX)
        if not variable.upper().endswith(SUFFIX) or name not in known or variable.upper() in known:
            continue
        if name in map(str.upper, environment):
            raise ConfigError(f"Settings: {name} and {name}{SUFFIX} are both set: unset one of them")
        found[name] = _read(f"{name}{SUFFIX}", Path(path))
    return found


def _read(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            value = file.read(_MOST_BYTES + 1)
        text = value.decode()
    except OSError as error:
        raise ConfigError(f"Settings: {variable}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"Settings: {variable}: {path} is no text in UTF-8") from None
    if len(value) > _MOST_BYTES:
        raise ConfigError(f"Settings: {variable}: {path} is larger than {_MOST_BYTES} bytes, and no value of a setting")
    return text.removesuffix("\n").removesuffix("\r")
