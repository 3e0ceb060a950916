"""One effect from its gate to its end, begun again where the permission was lost before its first byte."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from consumer.call import NOT_PERMITTED, NotSent
from consumer.heal.strategy import EffectGate

Result = TypeVar("Result")


async def permitted(gate: EffectGate, act: Callable[[], Awaitable[Result]]) -> Result:
    """Begin an effect and make it; raises as `gate.begin`.

    A process that stood still between the gate's yes and the first byte has sent nothing, and that is no try: it asks
    again, and waits until it may start, or learns why it may not. The heal's own window bounds it.
    """
    while True:
        await gate.begin()
        result = await act()
        if not (isinstance(result, NotSent) and result.kind == NOT_PERMITTED):
            return result
        gate.unsent()
