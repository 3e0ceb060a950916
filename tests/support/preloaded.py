"""What forked processes have imported before they begin: the service and every command, and nothing that looks around.

Imported by the process from which they are forked, and by nobody else.
"""

import importlib
import pkgutil

import consumer.cli
import consumer.service.app
import consumer.service.strategies
import tests.support.pipeline
import tests.support.shw

__all__ = ["consumer", "tests"]

for found in pkgutil.iter_modules(consumer.cli.__path__, f"{consumer.cli.__name__}."):
    importlib.import_module(found.name)
