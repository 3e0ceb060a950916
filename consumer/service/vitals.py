"""Liveness and readiness of a running consumer for the health endpoints. Which clock runs when: docs/decisions/0011."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from consumer.metrics import PauseReason
from consumer.ownership.clock import MAX_SKEW
from consumer.service.loops import Consumer


@dataclass(frozen=True, slots=True)
class Vitals:
    """The liveness clocks of a running consumer: one runs only for a fault that a restart would cure."""

    consumer: Consumer

    def ages(self) -> Mapping[str, timedelta]:
        """Return for each clock how long the part that it watches has stood still; zero while that moves."""
        longest = self.consumer.metrics.longest_phase()
        return {
            "loop_tick": self.consumer.pulse.age,
            "oldest_in_flight": self.consumer.live.oldest(),
            "step": timedelta(0) if longest is None else longest[1],
        } | self.consumer.source.watch.ages()

    def reasons_not_ready(self) -> tuple[str, ...]:
        """Return why this process is not ready for work: being out of the group for a while is no reason."""
        if self.consumer.pulse.stopping:
            return ("it is stopping",)
        if not self.consumer.source.watch.joined:
            return ("the group has not assigned partitions to this member yet",)
        return ()

    def notes(self) -> tuple[str, ...]:
        """Return what is out of the ordinary, and no reason to send work elsewhere."""
        watch = self.consumer.source.watch
        away: tuple[str, ...] = ("Kafka does not answer",) if watch.kafka_silent_since is not None else ()
        if self.consumer.stages.lease.database_away_since is not None:
            away += ("PostgreSQL does not answer",)
        file = self.consumer.catalog_file
        if file is not None and file.fault is not None:
            away += ("the catalog's file is wrong, and an older one in force: the log names the line",)
        commands = self.consumer.commands
        if commands is not None and commands.keys.are_waited_for:
            away += ("commands wait: the JWK set of SHW_COMMANDS__JWKS_URL cannot be read",)
        skew = self.consumer.stages.clock.skew
        if abs(skew) > MAX_SKEW:
            away += (f"the host's clock is {skew.total_seconds():.0f} s ahead of the database's: synchronise them",)
        words = self.consumer.stages.valve.paused_because if watch.paused is PauseReason.DEAD_LETTERS else None
        return (*away, f"intake is paused: {words or watch.paused}") if watch.paused else away
