"""`context.asset`: the asset that is missing or broken, where it belongs, and what it was made from."""

from typing import Any

from pydantic import Field

from schemas.names import AssetKind
from schemas.part import Name, Part, Url


class AssetContext(Part):
    """The asset that is missing or broken."""

    id: Name = Field(description="The asset's id.")
    kind: AssetKind = Field(default=AssetKind.OTHER, description="What it is, and so how it is checked.")
    url: Url | None = Field(
        default=None, description="Where its users find it once it is there: what is fetched from there is the proof."
    )
    generator: Name | None = Field(
        default=None, description="The catalog's name of what makes it; tried first, where the catalog lists it."
    )
    prompt: str | None = Field(
        default=None, max_length=65_536, description="What it was made from; of a voice, the text that is spoken."
    )
    spoken: bool = Field(
        default=True, description="Of sound: whether the prompt is spoken; where not, it describes a sound."
    )
    voice: Name | None = Field(default=None, description="The voice that speaks, as its generator names it.")
    format: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Its format, such as `png` or `mp3`."
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="The generator's other input.")
    content_type: str | None = Field(default=None, max_length=256, description="Its media type.")
    width: int | None = Field(default=None, gt=0, description="In pixels.")
    height: int | None = Field(default=None, gt=0, description="In pixels.")
    transparent: bool | None = Field(default=None, description="Whether it has to have transparent places.")
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="How long it lasts, in seconds.")
    min_bytes: int | None = Field(default=None, ge=0, description="Smaller than this it is not believed.")
