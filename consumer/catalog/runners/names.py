"""Names of workflows at their engines: templates in which `{workflow_name}` is the failure's."""

from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator

from consumer.catalog.runners.checks import fault
from consumer.catalog.templates import read_template

_PLACES: Final = frozenset({"workflow_name"})


def _check(name: str) -> str:
    try:
        places = read_template(name).places
    except ValueError as error:
        fault(str(error))
    if any(place.name not in _PLACES or place.optional for place in places):
        fault("only `{workflow_name}` can stand in a workflow's name at its engine")
    return name


EngineName: TypeAlias = Annotated[str, AfterValidator(_check)]


def name_at_engine(template: EngineName, workflow_name: str) -> str:
    """Return how the engine names a workflow."""
    return "".join(part if isinstance(part, str) else workflow_name for part in read_template(template).parts)
