"""How long a test waits for what has to come.

Long enough for the busiest machine: no test proves how fast something came. Where a time-out or a second look of the
product could end a wait as well, it is set to come later: only what the test proves can end the wait in time.
"""

from datetime import timedelta
from typing import Final

PATIENCE: Final = 120.0
"""Seconds."""
BEYOND_PATIENCE: Final = timedelta(seconds=2 * PATIENCE)
"""For settings that must not come to a test's help."""
