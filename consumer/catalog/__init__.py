"""What the healer may touch, as its operator declares it: no event can ever widen it."""

from consumer.catalog.access import Host, Secret, Source
from consumer.catalog.document import Catalog, micro_aud, parse_catalog
from consumer.catalog.limits import AutoRetryLimits, Brake, SameLimit
from consumer.catalog.policy import WorkflowPolicy

__all__ = [
    "AutoRetryLimits",
    "Brake",
    "Catalog",
    "Host",
    "SameLimit",
    "Secret",
    "Source",
    "WorkflowPolicy",
    "micro_aud",
    "parse_catalog",
]
