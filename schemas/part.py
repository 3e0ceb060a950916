"""The base of every part of a failure's `context`, and the values that several parts share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Url = Annotated[str, StringConstraints(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\x00-\x1f]+$", max_length=8192)]


class Part(BaseModel):
    """One part of the context; what is not described is kept."""

    model_config = ConfigDict(
        frozen=True, extra="allow", coerce_numbers_to_str=True, validate_by_name=True, validate_by_alias=True
    )
