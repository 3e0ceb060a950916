"""What the healer may touch, as its operator declares it: no event can ever widen it."""

from consumer.catalog.access import Host, Secret, Source
from consumer.catalog.current import Catalogs
from consumer.catalog.document import Catalog, parse_catalog
from consumer.catalog.ladder import RungLimits
from consumer.catalog.limits import AutoRetryLimits, Brake, SameLimit, micro_aud
from consumer.catalog.policy import WorkflowPolicy
from consumer.catalog.repair import SchemaAutofixLimits
from consumer.catalog.runners import (
    Call,
    DescribedRunner,
    HttpRunner,
    LookCall,
    OrderCall,
    PrefectRunner,
)

__all__ = [
    "AutoRetryLimits",
    "Brake",
    "Call",
    "Catalog",
    "Catalogs",
    "DescribedRunner",
    "Host",
    "HttpRunner",
    "LookCall",
    "OrderCall",
    "PrefectRunner",
    "RungLimits",
    "SameLimit",
    "SchemaAutofixLimits",
    "Secret",
    "Source",
    "WorkflowPolicy",
    "micro_aud",
    "parse_catalog",
]
