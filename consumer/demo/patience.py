"""How long the demo waits for what has to come."""

from datetime import timedelta
from typing import Final

PATIENCE: Final = timedelta(seconds=90)
"""For each thing that is waited for. Long enough for a busy machine: what comes ends the wait, and only what never
comes takes so long. The demo proves what happens, and not how fast."""
