"""Says whether the agent's library is installed: it is an extra, which the service starts without."""

from importlib.util import find_spec
from typing import Final

_LIBRARIES: Final = {"pydantic_ai": "pydantic-ai-slim", "openai": "openai"}


def missing_agent() -> str | None:
    """Return what is missing and how to install it, or None."""
    missing = [name for module, name in _LIBRARIES.items() if find_spec(module) is None]
    if not missing:
        return None
    return f"no agent here, {', '.join(missing)} not installed: install the extra with `pip install -e '.[agent]'`"
