"""Price list of a generator: the most that one call may cost before it is made, and what it did cost afterwards."""

from decimal import ROUND_UP, Decimal
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import fault
from consumer.model import MicroAud

Amount = Annotated[Decimal, Field(ge=0, le=1_000_000)]
_MICRO: Final = 1_000_000
_MOST_DIGITS: Final = 18
"""Of a count that is believed; one of a million digits takes minutes to be written down."""
_BELIEVED: Final = 100
"""Times `most_aud`: an answer that tells of more counts in another unit, or does not tell the truth."""


class Price(Declared):
    """What a generator charges, in Australian dollars; what the answer tells of its use counts, else the list."""

    call_aud: Amount | None = None
    """For each call, whatever it brings."""
    character_aud: Amount | None = None
    """For each character of the text."""
    input_token_aud: Amount | None = None
    output_token_aud: Amount | None = None
    unit_aud: Amount | None = None
    """For each unit that the answer counts: credits, characters, seconds of computing."""
    most_aud: Amount | None = None
    """The most that one call may cost; required where tokens or units are charged, whose number is known afterwards."""

    @model_validator(mode="after")
    def _check_bound(self) -> Self:
        counted = (self.input_token_aud, self.output_token_aud, self.unit_aud)
        if any(price is not None for price in counted) and self.most_aud is None:
            fault("what is charged by tokens or units is known afterwards: add `most_aud`, the most of one call")
        return self

    def most(self, characters: int) -> MicroAud | None:
        """Return the most that one call for so many characters may cost; None where no price is declared."""
        if self.most_aud is not None:
            return _rounded(self.most_aud)
        return self._listed(characters)

    def cost(
        self,
        characters: int,
        *,
        units: Decimal | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> MicroAud:
        """Return what one call did cost: by what its answer tells, else by the list, at most rounded up.

        What its answer tells beyond all belief counts as the most of one call: it would be a debt that nobody owes.
        """
        most = self.most(characters) or MicroAud(0)
        told = self._told(units, input_tokens, output_tokens)
        if told is not None:
            amount = told + (self.call_aud or 0)
            return _rounded(amount) if amount * _MICRO <= most * _BELIEVED else most
        listed = self._listed(characters)
        return most if listed is None else listed

    def _told(self, units: Decimal | None, input_tokens: int | None, output_tokens: int | None) -> Decimal | None:
        if self.unit_aud is not None and units is not None:
            return self.unit_aud * _bounded(units)
        if self.output_token_aud is None or output_tokens is None:
            return None
        if self.input_token_aud and input_tokens is None:
            return None  # half of what is charged
        into = (self.input_token_aud or 0) * _bounded(input_tokens or 0)
        return self.output_token_aud * _bounded(output_tokens) + into

    def _listed(self, characters: int) -> MicroAud | None:
        if self.call_aud is None and self.character_aud is None:
            return None
        return _rounded((self.call_aud or 0) + (self.character_aud or 0) * characters)


def _bounded(count: Decimal | int) -> Decimal:
    """Return a count that can be calculated with, whatever its size."""
    return min(Decimal(count), Decimal(10) ** _MOST_DIGITS)


def _rounded(amount: Decimal | int) -> MicroAud:
    """Convert dollars to millionths; a part of a millionth is one, so that nothing is given away."""
    return MicroAud(int((Decimal(amount) * _MICRO).to_integral_value(rounding=ROUND_UP)))
