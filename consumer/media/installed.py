"""Says whether the libraries that decode media are installed: they are an extra, which the service starts without."""

from importlib.util import find_spec
from typing import Final

_LIBRARIES: Final = {"PIL": "pillow", "av": "av", "numpy": "numpy", "resvg_py": "resvg-py", "simplejpeg": "simplejpeg"}


def missing_libraries() -> str | None:
    """Return what is missing and how to install it, or None."""
    missing = [name for module, name in _LIBRARIES.items() if find_spec(module) is None]
    if not missing:
        return None
    return (
        f"media cannot be validated here, {', '.join(missing)} not installed: "
        "install the extra with `pip install -e '.[media]'`"
    )
