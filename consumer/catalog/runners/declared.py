"""Union of the engines that a catalog can declare, discriminated by `kind`."""

from typing import Annotated, TypeAlias

from pydantic import Field

from consumer.catalog.runners.airflow import AirflowRunner
from consumer.catalog.runners.conductor import ConductorRunner
from consumer.catalog.runners.http import HttpRunner
from consumer.catalog.runners.kafka import KafkaRunner
from consumer.catalog.runners.maos import MaosRunner
from consumer.catalog.runners.prefect import PrefectRunner
from consumer.catalog.runners.temporal import TemporalRunner

DescribedRunner: TypeAlias = Annotated[
    AirflowRunner | ConductorRunner | HttpRunner | KafkaRunner | MaosRunner | PrefectRunner | TemporalRunner,
    Field(discriminator="kind"),
]
