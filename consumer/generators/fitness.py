"""Whether a generator can make an order, by what the catalog says; each refusal names its parameter. Pure."""

from collections.abc import Collection

from consumer.catalog.generators.common import GeneratorBase
from consumer.generators.contract import AssetOrder

_SHOWN = 80


def unfit(order: AssetOrder, described: GeneratorBase, parameters: Collection[str]) -> str | None:  # noqa: PLR0911 - one a check
    """Return which part of an order a generator cannot make, or None; `parameters` are those that it passes on."""
    can = described.can
    if order.kind.value != described.makes:
        return f"context.asset.kind: it makes {described.makes}, and not {order.kind}"
    if can.characters is not None and len(order.prompt) > can.characters:
        return f"context.asset.prompt: {len(order.prompt)} characters, and it takes {can.characters}"
    if order.format is not None and can.formats and order.format not in can.formats:
        return f"context.asset.format: {order.format[:_SHOWN]!r} is none of {', '.join(can.formats)}"
    if order.size is not None and can.sizes and order.size not in can.sizes:
        return f"context.asset.width and height: {order.size} is none of {', '.join(can.sizes)}"
    if order.voice is not None and can.voices and order.voice not in can.voices:
        return f"context.asset.voice: {order.voice[:_SHOWN]!r} is none of {', '.join(can.voices)}"
    if order.transparent and not can.transparent:
        return "context.asset.transparent: it makes nothing transparent"
    if not order.spoken and not can.sounds:
        return "context.asset.spoken: it speaks its prompt, and makes no sound that is described (`can.sounds`)"
    for name in order.parameters:
        if name not in parameters:
            return (
                f"context.asset.parameters.{name[:_SHOWN]}: not passed on; list it under the generator's `parameters` "
                "in the catalog"
            )
    return None
