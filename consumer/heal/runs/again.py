"""The rule of this house for a step that may have begun: may it be begun again? Pure, and the only place that says so.

The effect class of an engine's order says what giving the *order* twice does, and nothing of the step's own charge: an
engine may carry out one order exactly once, and the card is charged a second time. So the catalog says it, by step.
"""

from enum import StrEnum

from consumer.catalog import Again, StepRule
from consumer.runners.contract import StepState


class Begun(StrEnum):
    """What is known of a step's own effect."""

    NOT = "not"
    """It never began, or its read-back says that nothing happened."""
    REFUSED_INPUT = "refused_input"
    """It refused its input, and says so: whatever it does comes after that."""
    PERHAPS = "perhaps"
    """It began, and how far it came is not known."""


def begun(step: StepState | None) -> Begun:
    """Return what a look knows of a step's effect; a step that the engine does not show may have begun."""
    return Begun.PERHAPS if step is None or step.has_begun else Begun.NOT


def may_begin_again(step: str, rule: StepRule | None, known: Begun, *, same_run: bool = True) -> str | None:
    """Return why a step must not be begun again, for a person to read; None where it may.

    `same_run`: it is begun again within its run, and so under a key that it takes from it.
    """
    match known, rule.again if rule is not None else None:
        case (Begun.NOT, _) | (_, Again.YES) | (Begun.REFUSED_INPUT, None):
            return None
        case (_, Again.KEYED) if same_run:
            return None
        case (_, Again.KEYED):
            return f"step {step!r} would begin in another run, where the key that it carries is another one"
        case _:
            return (
                f"step {step!r} may have had its effect, and would have it twice: see whether it did; where it may be "
                f"begun again, say so in the catalog (steps: {{{step}: {{again: yes}}}}, or keyed, or a read_back)"
            )
