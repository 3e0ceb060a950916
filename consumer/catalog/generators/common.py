"""What every declared generator has: what it makes, what it can, its price, its limits, and its successors."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from consumer.catalog.declared import Declared
from consumer.catalog.generators.price import Price
from consumer.catalog.runners.checks import Address, SentHeaders, fault, secrets_in

Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$")]
ParameterName = Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")]
Makes = Literal["image", "audio"]


class Abilities(Declared):
    """What a generator can make; what is not declared is not limited."""

    formats: tuple[str, ...] = ()
    """Formats, such as `png`; the first is made where none is asked for."""
    sizes: tuple[Size, ...] = ()
    voices: tuple[str, ...] = ()
    characters: Annotated[int, Field(ge=1)] | None = None
    """Longest text or prompt."""
    transparent: bool = True
    sounds: bool = False
    """Whether it makes sounds that are described, and does not speak its prompt."""


class GeneratorBase(Declared):
    """Base of every declared generator."""

    makes: Makes
    price: Price | None = None
    """None: what a call costs is not known, and it is not called."""
    can: Abilities = Abilities()
    parameters: tuple[ParameterName, ...] = ()
    """Names of `context.asset.parameters` that are passed on; any other one is refused by its name."""
    successors: tuple[str, ...] = ()
    """Generators that are tried next once its model is gone."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=90)
    """Timeout of one call, connect to last byte: what has no key and is cut off may be paid, and brings nothing."""
    response_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 32 * 1024 * 1024

    def most(self, characters: int) -> int | None:
        """Return the most that one call may cost, in millionths of an AUD; None where that is unknown."""
        return None if self.price is None else self.price.most(characters)


class ApiGenerator(GeneratorBase):
    """Base of a generator with a wire of its own: the address of its API, its headers and its model."""

    api: Address
    headers: SentHeaders = Field(default_factory=dict)
    """Sent with each call, such as `authorization: Bearer secret://OPENAI`."""
    model: Annotated[str, Field(min_length=1, max_length=256)]

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        if any(sign in self.model for sign in "/?#%\\ {}") or self.model.strip(".") == "":
            fault("a model's name has no slash, space, brace or percent sign", "model")
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        return secrets_in(self.headers)
