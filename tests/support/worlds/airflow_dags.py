# mypy: disable-error-code="import-not-found,untyped-decorator,misc"
"""DAGs that Airflow runs in its own virtual environment. Every step is a call to the address that the run is given."""

import json
import urllib.request
from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import PokeReturnValue, dag, get_current_context, task


def call(path: str, body: object) -> None:
    world = get_current_context()["dag_run"].conf["world"]
    request = urllib.request.Request(
        world + path, data=json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:  # anything but 2xx is an exception
        answer.read()


class ValidationError(ValueError):
    """An input that does not follow its schema."""


@dag(dag_id="orders", schedule=None)
def orders() -> None:
    """Extract an order and load it: the load wants a whole number."""

    @task
    def extract() -> object:
        call("/extract", {})
        return get_current_context()["dag_run"].conf.get("order", {"amount": 42})

    @task
    def load(order: dict[str, object]) -> None:
        if not isinstance(order["amount"], int):
            raise ValidationError(f"{order['amount']!r} is not of type 'integer'")
        call("/load", order)

    load(extract())


@dag(dag_id="lasting", schedule=None)
def lasting() -> None:
    """Reserve, and charge by a call that may last."""

    @task
    def reserve() -> None:
        call("/reserve", {})

    @task
    def charge() -> None:
        call("/charge", {})

    reserve() >> charge()


@dag(dag_id="unserved", schedule=None)
def unserved() -> None:
    """Wait for a pool in which nothing may run."""

    @task(pool="closed")
    def ship() -> None:
        call("/ship", {})

    ship()


@dag(dag_id="deferred", schedule=None)
def deferred() -> None:
    """Wait for a time, in the triggerer."""
    DateTimeSensorAsync(task_id="wait", target_time="2100-01-01T00:00:00+00:00")


@dag(dag_id="asking", schedule=None)
def asking() -> None:
    """Wait for a person."""
    ApprovalOperator(task_id="approve", subject="May it go on?")


@dag(dag_id="polling", schedule=None)
def polling() -> None:
    """Wait for a condition, between two looks at it."""

    @task.sensor(poke_interval=3600, mode="reschedule", timeout=86400)
    def condition() -> PokeReturnValue:
        return PokeReturnValue(is_done=False)

    condition()


@dag(dag_id="retrying", schedule=None)
def retrying() -> None:
    """Wait for the next try."""

    @task(retries=1, retry_delay=timedelta(hours=1))
    def tried() -> None:
        raise RuntimeError("not now")

    tried()


@dag(dag_id="tried_twice", schedule=None)
def tried_twice() -> None:
    """Charge by a call that Airflow itself makes again once."""

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def charge() -> None:
        call("/charge", {})

    charge()


@dag(dag_id="spread", schedule=None)
def spread() -> None:
    """Do one thing for each item; one of them fails."""

    @task
    def each(item: int) -> None:
        call(f"/each/{item}", {})

    each.expand(item=[0, 1, 2])


orders()
lasting()
unserved()
deferred()
asking()
polling()
retrying()
tried_twice()
spread()
