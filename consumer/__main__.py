"""The `shw` command, and `python -m consumer`."""

from consumer.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
