"""When a process of the tests is searched for garbage: not while it collects them, and never among them afterwards.

The thousands of tests, and the modules that they are in, stay until the end: every search would go through all of
them and find nothing.
"""

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
