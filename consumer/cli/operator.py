"""The operator who runs a command, by name."""

import getpass


def login() -> str:
    """Return the name of who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number without a name
        return "an operator"
