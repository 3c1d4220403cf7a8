"""A key that owes more than a record may hold, on a partition that is not alone."""

import pytest
from confluent_kafka import Consumer

from ops.stack import Addresses
from schemas.orders import ConfirmOrder, OrderConfirmed
from schemas.payments import PaymentCaptured
from schemas.topics import ORDERS_COMMANDS, PAYMENTS_EVENTS
from streams import partition
from streams.decision import Decision
from streams.kafka import inputs
from streams.kafka.clients import fetched
from streams.kafka.fetched import Fetched
from streams.service import Service
from tests.streams.kafka.counting import Count
from tests.streams.kafka.counting import decide as count
from tests.streams.kafka.engines import Ground, confirm, orders, running, until

pytestmark = pytest.mark.connected

MANY = 200


def decide(state: Count | None, message: ConfirmOrder | PaymentCaptured, at: int) -> Decision[Count]:
    return count(state, confirm(message.orderId), at)


paid = Service(name="paid", state=Count, decide=decide, sends=(OrderConfirmed,))


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(paid)
    return ground


def captured(order_id: str) -> PaymentCaptured:
    return PaymentCaptured(paymentId=order_id, orderId=order_id, amount=1, currency="EUR", capturedAt=0)


def test_what_waits_of_a_batch_is_read_as_of_its_own_partition(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    topics, numbers = (ORDERS_COMMANDS, PAYMENTS_EVENTS), (0, 1)
    keys = [next(orders(number)) for number in numbers]
    everything = [message for key in keys for message in [confirm(key), captured(key)] * MANY]
    names = {topic.name(ground.environment) for topic in topics}
    come: list[Fetched] = []

    # What one read has is a matter of luck otherwise.
    def fetched_at_once(consumer: Consumer, most: int, seconds: float) -> list[Fetched]:
        records = fetched(consumer, most, seconds)
        if not any(record.topic() in names for record in records):
            return records
        come.extend(records)
        return list(come) if len(come) == len(everything) else []

    monkeypatch.setattr(inputs, "fetched", fetched_at_once)
    monkeypatch.setattr(partition, "MOST_OWED", 2_000)
    ground.publish(*everything)
    engine = ground.engine(paid)
    with running(engine):
        until(
            lambda: all(ground.committed(paid, topic)[number][0] == MANY for topic in topics for number in numbers),
            engine,
        )
    assert engine.counters.forwarded == {}
    entries = ground.entries(paid)
    assert [entry.state if (entry := entries[key]) else None for key in keys] == [Count(2 * MANY, 2 * MANY)] * 2
