"""Names of a ladder's rungs: the seed's strategies, and actions that the catalog declares."""

import re
from typing import Final, TypeAlias

from schemas.names import StrategyName

_PREFIX: Final = "action:"
_FORM: Final = re.compile(rf"{_PREFIX}[a-z0-9][a-z0-9-]{{0,62}}")


class ActionName(str):
    """Name of a declared action as a rung: `action:restart-worker`.

    Wherever strategies are a closed list (events, pauses, metrics, an attempt's column) it counts as route-repair.
    """

    __slots__ = ()

    @property
    def action(self) -> str:
        """Its name under the catalog's `actions`."""
        return self.removeprefix(_PREFIX)


RungName: TypeAlias = StrategyName | ActionName


def action_name(text: str) -> ActionName | None:
    """Return the name of an action's rung; None where the text has another form."""
    return ActionName(text) if _FORM.fullmatch(text) else None


def rung_of_action(name: str) -> ActionName:
    """Return the name of the rung of an action that is declared under a name."""
    return ActionName(f"{_PREFIX}{name}")


def strategy_of(rung: RungName) -> StrategyName:
    """Return the strategy that a rung counts as."""
    return StrategyName.ROUTE_REPAIR if isinstance(rung, ActionName) else rung
