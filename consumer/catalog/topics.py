"""Topics of the catalog on which others tell of failures in words of their own, and whose failures those are."""

from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated
from uuid import UUID

from pydantic import Field

from consumer.catalog.declared import Declared

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
NamePattern = Annotated[str, Field(min_length=1, max_length=512)]


class ForeignFormat(StrEnum):
    """What the records of a further topic are."""

    OPENLINEAGE = "openlineage"  # run events of Airflow, Spark, dbt, Flink: FAIL and ABORT are failures
    KAFKA_CONNECT = "kafka_connect"  # the dead letters of a sink connector, with their context headers
    SPRING = "spring"  # the dead letters of Spring Kafka's DeadLetterPublishingRecoverer


class DeclaredTopic(Declared):
    """A topic that is read beside that of the failures, in a consumer group of its own."""

    topic: TopicName
    format: ForeignFormat
    organisations: Annotated[dict[NamePattern, UUID], Field(min_length=1, max_length=1000)]
    """Whose failures they are, by name or pattern: of the job's namespace (OpenLineage), of the connector, or of the
    topic that the record came from (Spring). The first that matches counts."""

    def organisation_of(self, name: str) -> UUID | None:
        """Return the organisation of a namespace, connector or topic; None where none is declared for it."""
        return next((org for pattern, org in self.organisations.items() if fnmatchcase(name, pattern)), None)
