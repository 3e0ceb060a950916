"""`shw dev`, `shw console` and `shw demo`: the service in a small world on this machine."""
# --help must not wait for the import of the whole service.
# ruff: noqa: PLC0415

from importlib.util import find_spec
from typing import Annotated

import typer

from consumer.errors import ConfigError


def dev(
    *,
    reset: Annotated[bool, typer.Option("--reset", help="Delete what it has kept, and start nothing.")] = False,
) -> None:
    """Run a broker, a database and the service here until Ctrl-C, and print the addresses; all is kept."""
    from consumer.demo.dev import reset_dev, run_dev

    raise typer.Exit(reset_dev() if reset else run_dev())


def console(
    demo: Annotated[bool, typer.Option("--demo", help="Over the demo's failures, in a small world here.")] = False,
) -> None:
    """Open the console over the demo's failures until Ctrl-C, and print its address; needs the extra `console`."""
    from consumer.demo.dev import run_dev

    if not demo:
        raise ConfigError(
            "the console of a running service is at `/` of its API, beside /api/healing; shw console --demo opens one "
            "over the demo's failures"
        )
    if find_spec("jinja2") is None:
        raise ConfigError("the console needs the extra that renders it: pip install 'self-healing-workflows[console]'")
    raise typer.Exit(run_dev(is_for_console=True))


def demo() -> None:
    """Heal failures of every kind in a small world on this machine, through a crash; 0 when all came out right."""
    from consumer.demo.demo import run_demo

    raise typer.Exit(run_demo())


def add_small_world(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("dev")(dev)
    app.command("console")(console)
    app.command("demo")(demo)
