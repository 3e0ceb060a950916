"""What two failures of one cause have in common: their reason without what varies from one to the next. Pure."""

import re
from hashlib import sha256
from typing import Final

from consumer.model import Failure

_READ: Final = 2048
"""Characters of a reason that are looked at: what is the same stands at its beginning."""
_VARIES: Final = re.compile(
    r"""https?://\S+                          # addresses carry ids
      | "[^"\n]{0,200}" | '[^'\n]{0,200}'     # what is quoted is somebody's data
      | [0-9A-Za-z_-]*\d[0-9A-Za-z_-]*        # ids, numbers, times: any word with a digit in it
    """,
    re.VERBOSE,
)
_SPACE: Final = re.compile(r"\s+")


def masked(reason: str) -> str:
    """Give a reason with its varying parts replaced by `#`."""
    return _SPACE.sub(" ", _VARIES.sub("#", reason[:_READ])).strip().lower()


def fingerprint(failure: Failure, strategy: str) -> str:
    """Name what is wrong, and how it is mended: the same for every failure of one cause in one workflow."""
    parts = (failure.org_id.hex, failure.workflow_name, strategy, masked(failure.failure_reason))
    return sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
