"""Who owns a partition works on it, and nobody else."""

import time

import pytest

from ops.stack.waiting import wait_until
from schemas.topics import PARTITIONS
from tests.wounds.service import key_of, order
from tests.wounds.subject import OverdueError, Stage, wound

#: Messages enough to freeze a worker in the middle of them: more than the 4,096 that Faust may decide in one go.
MANY = 8_000

#: Proofs, on the engine too: half a minute each, and tests/chaos has the same of the engine in short.
pytestmark = [pytest.mark.connected, pytest.mark.proof]


@wound("a worker without partitions leaves the group after broker_max_poll_interval and never comes back")
def test_a_worker_that_had_nothing_to_do_takes_over_when_it_is_needed(stage: Stage) -> None:
    idle_seconds = 6.0
    busy = [stage.start(max_poll_seconds=idle_seconds) for _ in range(PARTITIONS)]
    stage.until(lambda: stage.members() == PARTITIONS, "a worker for every partition")
    # Faust's assignor leaves partitions where they are, so there is none for whoever comes last.
    stage.start(max_poll_seconds=idle_seconds)
    stage.until(lambda: stage.members() > PARTITIONS, "worker without a partition")
    bored = time.monotonic() + 2 * idle_seconds
    stage.until(lambda: time.monotonic() > bored or stage.members() == PARTITIONS, "time without work")
    for worker in busy:
        worker.kill()
    stage.publish(order(0))
    assert wait_until(lambda: key_of(0) in stage.confirmations(), seconds=15)


@wound("a worker that slept through the end of its session writes its old state over the new owner's")
def test_a_worker_that_lost_its_partition_changes_no_state(stage: Stage) -> None:
    stage.publish(*[order(0)] * MANY)
    zombie = stage.start()
    stage.until(lambda: stage.length(stage.events) > 0, "first confirmation")
    zombie.freeze()
    if stage.committed() == MANY:
        raise OverdueError("it was done before it could be frozen")
    stage.start()
    stage.until(lambda: stage.committed() == MANY, "commit of the new owner")
    # Whatever it is: Faust may count a message twice while it takes over, which is another matter.
    owners = stage.counts()
    written = stage.length(stage.subject.changelog)
    zombie.thaw()
    wait_until(lambda: zombie.ended or stage.length(stage.subject.changelog) > written, seconds=10)
    assert stage.counts() == owners
