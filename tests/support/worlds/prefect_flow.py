# mypy: disable-error-code="import-not-found,untyped-decorator"
"""A flow of two steps, served by Prefect in its own virtual environment; the second one can fail.

Every step is a call to the address that the run is given: it keeps the record, and says yes or no.
"""

import json
import urllib.request

from prefect import flow, task
from prefect.cache_policies import INPUTS


def call(world: str, path: str, body: object) -> None:
    request = urllib.request.Request(
        world + path, data=json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:  # anything but 2xx is an exception
        answer.read()


@task(persist_result=True, cache_policy=INPUTS)
def reserve(world: str, order: int) -> str:
    call(world, "/reserve", {"order": order})
    return f"reserved {order}"


@task
def charge(world: str, order: int, quantity: object) -> None:
    call(world, "/charge", {"order": order, "quantity": quantity})


@flow(name="orders")
def orders(world: str, order: int, quantity: object = 1) -> None:
    reserve(world, order)
    charge(world, order, quantity)


if __name__ == "__main__":
    orders.serve(name="orders", print_starting_message=False)
