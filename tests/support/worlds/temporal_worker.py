# mypy: disable-error-code="import-not-found,untyped-decorator,misc,no-any-return"
"""A Temporal worker in its own virtual environment. Every activity is a call to the address that the run is given.

Its arguments: the server's address, the queue that it takes from, and its build. The second build of `changed` begins
with another activity, as code does that is deployed under runs that have begun.
"""

import asyncio
import json
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

SERVER, QUEUE, BUILD = sys.argv[1:]
ONCE = RetryPolicy(maximum_attempts=1)
AT_LENGTH = timedelta(minutes=10)


def call(world: str, path: str, body: object) -> str:
    request = urllib.request.Request(
        world + path, data=json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:  # anything but 2xx is an exception
        return answer.read().decode()


@activity.defn
def reserve(world: str) -> str:
    return call(world, "/reserve", {})


@activity.defn
def charge(world: str) -> str:
    return call(world, "/charge", {"attempt": activity.info().attempt})


@activity.defn
def pay(world: str) -> str:
    return call(world, "/pay", {})


@workflow.defn(name="orders", sandboxed=False)
class Orders:
    @workflow.run
    async def run(self, world: str) -> str:
        await workflow.execute_activity(reserve, world, start_to_close_timeout=AT_LENGTH, retry_policy=ONCE)
        return await workflow.execute_activity(charge, world, start_to_close_timeout=AT_LENGTH, retry_policy=ONCE)


@workflow.defn(name="lasting", sandboxed=False)
class Lasting:
    @workflow.run
    async def run(self, world: str) -> str:
        await workflow.execute_activity(reserve, world, start_to_close_timeout=AT_LENGTH, retry_policy=ONCE)
        few = timedelta(seconds=3)
        return await workflow.execute_activity(charge, world, start_to_close_timeout=few, retry_policy=ONCE)


@workflow.defn(name="unserved", sandboxed=False)
class Unserved:
    @workflow.run
    async def run(self, world: str, queue: str) -> str:
        await workflow.execute_activity(reserve, world, start_to_close_timeout=AT_LENGTH, retry_policy=ONCE)
        return await workflow.execute_activity(
            charge, world, task_queue=queue, schedule_to_close_timeout=AT_LENGTH, retry_policy=ONCE
        )


@workflow.defn(name="changed", sandboxed=False)
class Changed:
    def __init__(self) -> None:
        self.confirmed = False

    @workflow.signal
    def confirm(self) -> None:
        self.confirmed = True

    @workflow.run
    async def run(self, world: str) -> str:
        first = reserve if BUILD == "1" else pay
        await workflow.execute_activity(first, world, start_to_close_timeout=AT_LENGTH, retry_policy=ONCE)
        await workflow.wait_condition(lambda: self.confirmed)
        return await workflow.execute_activity(charge, world, start_to_close_timeout=AT_LENGTH, retry_policy=ONCE)


@workflow.defn(name="timer", sandboxed=False)
class Timer:
    @workflow.run
    async def run(self, world: str) -> None:
        del world
        await workflow.sleep(timedelta(days=1))


@workflow.defn(name="signal", sandboxed=False)
class Signal:
    @workflow.run
    async def run(self, world: str) -> None:
        del world
        await workflow.wait_condition(lambda: False)


@workflow.defn(name="parent", sandboxed=False)
class Parent:
    @workflow.run
    async def run(self, world: str) -> None:
        await workflow.execute_child_workflow(Signal.run, world)


@workflow.defn(name="retrying", sandboxed=False)
class Retrying:
    @workflow.run
    async def run(self, world: str) -> None:
        later = RetryPolicy(initial_interval=timedelta(hours=1))
        await workflow.execute_activity(pay, world, start_to_close_timeout=AT_LENGTH, retry_policy=later)


async def main() -> None:
    client = await Client.connect(SERVER)
    with ThreadPoolExecutor(8) as threads:
        await Worker(
            client,
            task_queue=QUEUE,
            workflows=[Orders, Lasting, Unserved, Changed, Timer, Signal, Parent, Retrying],
            activities=[reserve, charge, pay],
            activity_executor=threads,
            max_concurrent_activities=8,
        ).run()


asyncio.run(main())
