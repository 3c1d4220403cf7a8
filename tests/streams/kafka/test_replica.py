import pytest

from streams.kafka.replica import Replica, StaleStoreError
from streams.state import StateCodec
from streams.step import Entry
from streams.stores.memory import MemoryStore
from tests.streams.kafka.counting import Count, counter

KEY = "00000000-0000-4000-8000-000000000001"


def settled() -> Replica[Count]:
    states = StateCodec(counter("counting"))
    replica = Replica(states, MemoryStore(), service="counting", changelog="changelog", topic_id="first", partition=2)
    entry = Entry(version=1, state=Count(1, 1))
    replica.settle([(KEY, entry, states.encode(KEY, entry))], offset=7, paid=3)
    return replica


def test_a_replica_that_begins_again_knows_what_was_settled() -> None:
    replica = settled()
    replica.fold.epoch = 9
    replica.begin("first")
    assert (replica.offset, replica.fold.epoch, replica.fold.paid) == (7, 0, 3)
    assert replica.entry(KEY) == Entry(version=1, state=Count(1, 1))


def test_a_replica_does_not_go_on_with_another_changelog() -> None:
    """It outlives assignments, and the topic may have been made anew between two of them."""
    replica = settled()
    with pytest.raises(StaleStoreError, match=r"topic id first, now second.*state drop counting --partition 2"):
        replica.begin("second")
