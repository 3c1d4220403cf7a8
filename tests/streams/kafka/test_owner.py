"""An owner's rounds between a producer and a store that do as they are told."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.orders import ConfirmOrder, OrderConfirmed
from streams import partition
from streams.changelog import Marker
from streams.codec import Codec
from streams.decision import Decision
from streams.kafka.counters import Counters
from streams.kafka.lease import Lease
from streams.kafka.owner import Claim, Owner
from streams.kafka.replica import Replica
from streams.kafka.wire import Codecs, Wire
from streams.own import OwnCodec
from streams.service import Service
from streams.state import StateCodec
from streams.stores.memory import MemoryStore
from streams.testing.registry import MemoryRegistry
from tests.streams.kafka.counting import Count
from tests.streams.kafka.counting import decide as count
from tests.streams.kafka.engines import confirm, orders
from tests.streams.kafka.records import Record

TOPIC, CHANGELOG = "orders.test.commands", "counting.test-state-changelog"
IDS = orders(0)
FIRST, SECOND, THIRD = next(IDS), next(IDS), next(IDS)


def decide(state: Count | None, message: ConfirmOrder, at: int) -> Decision[Count]:
    if message.inventoryReservationId == "too much":
        return Decision(Count(total=2**70))
    return count(state, message, at)


counting = Service(name="counting", state=Count, decide=decide, sends=(OrderConfirmed,))


class Broker:
    """A producer whose batches are acknowledged one by one, in order, when a test says so."""

    def __init__(self) -> None:
        self.ends: dict[str, int] = {}
        self._unacknowledged: list[tuple[str, int, Callable[[None, Record], None]]] = []

    def produce_batch(self, topic: str, records: list[dict[str, Any]], _partition: int) -> int:
        self._unacknowledged.append((topic, len(records), records[-1]["callback"]))
        return len(records)

    def acknowledge(self) -> bool:
        """Whether there was a batch to be acknowledged."""
        if not self._unacknowledged:
            return False
        topic, records, acknowledged = self._unacknowledged.pop(0)
        self.ends[topic] = self.ends.get(topic, 0) + records
        acknowledged(None, Record(offset=self.ends[topic] - 1))
        return True


class Life:
    """An owner of partition 0 from its claim on."""

    def __init__(self) -> None:
        self.broker = Broker()
        self.messages = Codec(MemoryRegistry(), "test")
        codecs = Codecs(counting, "test", self.messages, OwnCodec(counting), StateCodec(counting))
        counters, lease = Counters(), Lease(60)
        lease.renew(lease.now())
        self.owner: Owner[Count] = Owner(
            counting,
            Wire(codecs, 0, 4, {TOPIC: TOPIC}, counters, suspects=frozenset()),
            Replica(codecs.states, MemoryStore(), service="counting", changelog=CHANGELOG, topic_id="id", partition=0),
            Claim(Marker(1, 0, 0, {}), 0),
            producer=self.broker,  # type: ignore[arg-type]  # as much of one as an owner needs
            lease=lease,
            counters=counters,
        )
        self.broker.ends[CHANGELOG] = 1
        self._read = 0

    def take(self, *messages: ConfirmOrder) -> None:
        records: list[Any] = [
            Record(message.orderId.encode(), self.messages.encode(message), offset)
            for offset, message in enumerate(messages, self._read)
        ]
        self._read += len(records)
        self.owner.take({TOPIC: records}, 0)

    def go_on(self) -> None:
        """As far as it gets."""
        self.owner.advance()
        while self.broker.acknowledge():
            self.owner.advance()


def test_what_was_read_is_done_once_its_outputs_are_out() -> None:
    life = Life()
    life.take(confirm(FIRST), confirm(SECOND))
    life.owner.advance()
    assert (life.owner.done, life.owner.idle) == ({}, False)
    life.go_on()
    assert (life.owner.done, life.owner.idle) == ({TOPIC: 2}, True)
    assert life.broker.ends == {CHANGELOG: 3, "orders.test.events": 2}


def test_behind_a_strangers_record_nothing_is_published_and_nothing_is_done() -> None:
    life = Life()
    life.broker.ends[CHANGELOG] += 1
    life.take(confirm(FIRST))
    life.go_on()
    assert life.owner.stranger
    assert (life.owner.done, life.broker.ends) == ({}, {CHANGELOG: 3})


def test_nothing_is_done_that_was_read_behind_what_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it goes on while a revocation drains it. A key is laden with two outputs, and no more with one."""
    monkeypatch.setattr(partition, "MOST_OWED", 400)
    life = Life()
    life.take(confirm(FIRST))
    life.take(confirm(FIRST), confirm(SECOND, "too much"), confirm(FIRST), confirm(THIRD))
    life.go_on()
    assert life.owner.unwritable is not None
    assert life.owner.unwritable[0] == SECOND
    assert life.owner.done == {TOPIC: 1}
