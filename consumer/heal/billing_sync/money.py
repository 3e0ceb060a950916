"""Amounts in whole minor units, exactly: read as either side writes them, and told in a person's words. Pure."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from consumer.catalog.billing import Unit

_ZERO: Final = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_THREE: Final = "BHD IQD JOD KWD LYD OMR TND"
DECIMALS: Final[Mapping[str, int]] = dict.fromkeys(_ZERO.split(), 0) | dict.fromkeys(_THREE.split(), 3)
"""Decimals of the minor unit where they are not two. ISK and UGX have two here, as on Stripe's wire."""
_USUAL: Final = 2
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")
_WHOLE: Final = re.compile(r"-?[0-9]{1,24}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,24})?(e[+-]?[0-9]{1,2})?")
_WRITTEN: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,9})?")
"""How an amount is written as a text; Python reads others too, such as `1_000`, that mean something else elsewhere."""
_LARGEST: Final = 10**18
"""Far above any sum: what is beyond is an error of whoever wrote it."""


class UnreadableAmount(ValueError):
    """What stands for an amount, or its currency, is none; the message does not quote it."""


def exact_json(text: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """Parse JSON with its decimal numbers as they are written; raises ValueError and RecursionError."""
    return json.loads(text, parse_float=Decimal)


def number_of(said: object) -> Decimal | None:
    """Return a number, or a text that is one, exactly; None where it is none."""
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return None
    text = str(said)
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def currency_of(said: object) -> str:
    """Return a currency's code in capitals; raises UnreadableAmount."""
    if not isinstance(said, str) or not _CURRENCY.fullmatch(said):
        raise UnreadableAmount("its currency is no code of three letters")
    return said.upper()


def minor_units(said: object, currency: str, unit: Unit) -> int:
    """Return an amount in minor units; raises UnreadableAmount where it is not a whole number of them."""
    if isinstance(said, bool) or not isinstance(said, int | str | Decimal):
        raise UnreadableAmount("its amount is no number")
    if unit == "minor" and isinstance(said, str) and not _WHOLE.fullmatch(said):
        raise UnreadableAmount("its amount is no whole number of minor units")
    if isinstance(said, str) and not _WRITTEN.fullmatch(said):
        raise UnreadableAmount("its amount is no number")
    try:
        amount = Decimal(said)
    except InvalidOperation as error:
        raise UnreadableAmount("its amount is no number") from error
    units = _shifted(amount, 0 if unit == "minor" else decimals(currency))
    if abs(units) > _LARGEST:
        raise UnreadableAmount("its amount is beyond all that is paid")
    return units


def _shifted(amount: Decimal, places: int) -> int:
    """Return an amount times ten to a power, without the rounding of a decimal context."""
    sign, digits, exponent = amount.as_tuple()
    if not isinstance(exponent, int):
        raise UnreadableAmount("its amount is no number")
    shift = exponent + places
    if shift > len(str(_LARGEST)):
        raise UnreadableAmount("its amount is beyond all that is paid")
    whole = int("".join(map(str, digits)) or "0")
    if shift >= 0:
        whole *= int("1" + "0" * shift)
    else:
        whole, rest = divmod(whole, int("1" + "0" * min(-shift, len(digits) + 1)))
        if rest:
            raise UnreadableAmount("its amount is no whole number of minor units")
    return -whole if sign else whole


def decimals(currency: str) -> int:
    """Return how many decimals a currency's minor unit stands for."""
    return DECIMALS.get(currency, _USUAL)


def told(units: int, currency: str) -> str:
    """Return an amount in words: `12.30 USD`, `1230 JPY`."""
    places = decimals(currency)
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]} {currency}" if places else f"{sign}{digits} {currency}"
