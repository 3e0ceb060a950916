"""A catalog of one's own beside the demo's: what it declares comes first, and so decides."""

from typing import Any, Final

import yaml

from consumer.catalog import parse_catalog
from consumer.errors import ConfigError

_LISTS: Final = ("sources", "workflows")


def merged_catalog(mine: str, demos: str) -> str:
    """Return the demo's catalog with the entries of `mine` before its own, and its blocks over them.

    Raises
    ------
    ConfigError
        `mine` is no catalog, or together they are none; with what is wrong.

    """
    parse_catalog(mine, "your catalog")
    own: dict[str, Any] = yaml.safe_load(mine)
    merged: dict[str, Any] = yaml.safe_load(demos)
    for name, declared in own.items():
        if name in _LISTS:
            merged[name] = [*(declared or ()), *merged.get(name, ())]
        elif isinstance(declared, dict):
            merged[name] = {**merged.get(name, {}), **declared}
    text = yaml.safe_dump(merged, sort_keys=False)
    try:
        parse_catalog(text, "your catalog beside the demo's")
    except ConfigError as error:
        raise ConfigError(f"{error}. Names that both declare have to be declared alike.") from error
    return text
