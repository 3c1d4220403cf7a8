"""A data plane that reads and writes nothing, and remembers what it was asked."""

import asyncio
from collections.abc import Mapping

from streams.kafka.group import Assignment, Position


class Ledger:
    """Who holds which partition. Two at once is what must never be."""

    def __init__(self) -> None:
        self._owners: dict[int, str] = {}
        self.overlaps: list[str] = []

    def take(self, owner: str, partitions: frozenset[int]) -> None:
        self.overlaps += [f"{owner} took {each} of {self._owners[each]}" for each in partitions & self._owners.keys()]
        self._owners |= dict.fromkeys(partitions, owner)

    def free(self, owner: str) -> None:
        self._owners = {partition: holder for partition, holder in self._owners.items() if holder != owner}


class RecordingPlane:
    def __init__(self, name: str = "plane", ledger: Ledger | None = None) -> None:
        self.name = name
        self.ledger = ledger or Ledger()
        self.drain_seconds = 0.0
        self.positions: dict[tuple[str, int], Position] = {}
        self.trouble: BaseException | None = None
        #: The last one; None after a revocation.
        self.assignment: Assignment | None = None
        self.assignments = 0
        self.closed = False

    @property
    def active(self) -> frozenset[int]:
        return frozenset() if self.assignment is None else self.assignment.active

    @property
    def standby(self) -> frozenset[int]:
        return frozenset() if self.assignment is None else self.assignment.standby

    def assign(self, assignment: Assignment) -> None:
        self.ledger.take(self.name, assignment.active)
        self.assignment = assignment
        self.assignments += 1
        self.positions.clear()

    async def revoke(self) -> None:
        await asyncio.sleep(self.drain_seconds)
        self.assignment = None
        self.ledger.free(self.name)

    def committable(self) -> Mapping[tuple[str, int], Position]:
        return dict(self.positions)

    def failure(self) -> BaseException | None:
        return self.trouble

    async def close(self) -> None:
        self.closed = True
