"""Two workers under load, to be disturbed; afterwards the books are balanced."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from bench.chaos import World
from bench.fleet import Fleet
from bench.ledger import Findings
from ops.stack import Addresses
from ops.stack.background import in_background
from ops.stack.waiting import wait_until
from schemas.topics import PARTITIONS

#: As short as a session may be: a worker that isn't heard of for so long has lost its partitions.
SESSION_SECONDS = 6.0
#: A rebalance waits for a lost member's session, and 20 s for members that don't rejoin.
SECONDS = 60
_ENDLESS = 10_000_000


class Scene:
    """A cluster, messages that keep coming, and workers."""

    def __init__(self, world: World, fleet: Fleet) -> None:
        self.world = world
        self.workers = fleet.workers
        self.share = partial(fleet.share, PARTITIONS)

    @contextmanager
    def load(self, rate: float = 500) -> Iterator[None]:
        publishing = in_background(partial(self.world.publish, _ENDLESS, rate))
        try:
            yield
        finally:
            self.world.stop()
            publishing.result()

    def takes_over(self, number: int) -> None:
        """Wait until that worker has all partitions, and got further than all were before."""
        worker = self.workers[number]
        assert wait_until(lambda: worker.partitions() == [*range(PARTITIONS)], seconds=SECONDS), worker.status()
        self.goes_on()

    def goes_on(self) -> None:
        """Wait until all is committed that was sent up to now."""
        sent = self.world.sent
        assert wait_until(lambda: self.world.ledger.progress()[0] >= sent, seconds=SECONDS), (
            self.world.ledger.progress()
        )

    def balance(self) -> Findings:
        """What the topics say once nothing is left to do."""
        findings = Findings()
        assert self.world.drained(), self.world.ledger.progress()
        self.world.ledger.audit(findings)
        return findings


Staged = Callable[..., Scene]


@pytest.fixture
def staged(unique: str, tmp_path: Path) -> Iterator[Staged]:
    """Start workers on that cluster; they are killed in the end."""
    ends = ExitStack()

    def stage(addresses: Addresses, *arguments: str, store: str = "rocksdb") -> Scene:
        world = ends.enter_context(closing(World(addresses, unique, keys=100, seed=1)))
        world.prepare()
        fleet = ends.enter_context(
            Fleet(
                addresses,
                unique,
                tmp_path / "workers",
                app="bench.chaos:service",
                count=2,
                store=store,
                session_seconds=SESSION_SECONDS,
                arguments=arguments,
            )
        )
        fleet.share(PARTITIONS)
        return Scene(world, fleet)

    with ends:
        yield stage
