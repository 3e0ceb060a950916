"""Union of the engines that a catalog can declare, discriminated by `kind`."""

from typing import Annotated, TypeAlias

from pydantic import Field

from consumer.catalog.runners.http import HttpRunner
from consumer.catalog.runners.prefect import PrefectRunner

DescribedRunner: TypeAlias = Annotated[HttpRunner | PrefectRunner, Field(discriminator="kind")]
