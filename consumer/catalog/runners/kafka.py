"""Declaration of Kafka topics as an engine: a record that its consumer gave up is sent back, mended, to its topic."""

from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field

from consumer.catalog.declared import Declared


class KafkaRunner(Declared):
    """The topics of the service's own Kafka to which a mended record may go back."""

    kind: Literal["kafka"]
    topics: Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._*?-]{1,249}$")], ...], Field(min_length=1)]
    """Names or patterns; to no other topic is anything sent."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=30)
    """Timeout of one look, or of one send."""

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that it refers to: none, for the service's own connection is used."""
        return frozenset()

    def takes(self, topic: str) -> bool:
        """Return whether a record may go back to a topic."""
        return any(fnmatchcase(topic, pattern) for pattern in self.topics)
