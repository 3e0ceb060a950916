"""What the command line asked of a benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How much is measured, and of whom; None and 1.0 stand for a scenario's own numbers."""

    events: int | None = None
    rounds: int | None = None
    scale: float = 1.0
    only: str | None = None
    profile: bool = False

    def count(self, full: int) -> int:
        """Give how many events a run gets that has `full` by itself."""
        return max(1, int(self.events or full * self.scale))

    def seconds(self, full: float) -> float:
        """Give how long a run lasts that has `full` seconds by itself."""
        return max(2.0, full * self.scale)
