"""Many messages of one key at once, on a real broker."""

import asyncio
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from confluent_kafka import Consumer, TopicPartition

from ops.stack import Addresses
from schemas.examples import example_of
from schemas.orders import ConfirmOrder, OrderConfirmed
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PARTITIONS
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.kafka.engine import KafkaEngine, Site
from streams.kafka.topics import internal_topics
from streams.partitioner import partition_of
from streams.producer import Outgoing, deliver
from streams.stores.memory import MemoryStores
from streams.topics import TopicAdmin, plan, wanted
from tests.streams.kafka.counting import counter

pytestmark = pytest.mark.connected

SECONDS = 40.0
KEY = "00000000-0000-4000-8000-000000000000"
#: What they owe together is several times what fits into one record of the changelog.
MANY = 8_000


def test_a_key_that_owes_more_than_a_record_may_hold_is_decided_in_turns(stack: Addresses, unique: str) -> None:
    service, client = counter("counter"), {"bootstrap.servers": stack.kafka}
    declared = [wanted(topic, unique, brokers=1) for topic in (ORDERS_COMMANDS, ORDERS_EVENTS)]
    declared += internal_topics(service, unique, brokers=1)
    TopicAdmin(client).apply(plan(declared, {}), declared)
    with closing(ConfluentRegistry({"url": stack.registry}, registers=True)) as registry:
        codec = Codec(registry, unique)
        message = ConfirmOrder(orderId=KEY, inventoryReservationId="1")
        deliver(client, [Outgoing(ORDERS_COMMANDS.name(unique), KEY, codec.encode(message))] * MANY)
        codec.encode(example_of(OrderConfirmed))
        site = Site(environment=unique, client=client, registry=registry, stores=MemoryStores())
        engine = KafkaEngine(service, site)
        totals = asyncio.run(_while_running(engine, lambda: _totals(engine, codec, stack.kafka, unique)))
    assert totals == list(range(1, MANY + 1))


async def _while_running(engine: KafkaEngine, work: Callable[[], list[int]]) -> list[int]:
    await engine.start()
    try:
        return await asyncio.to_thread(work)
    finally:
        await engine.stop()


def _totals(engine: KafkaEngine, codec: Codec, bootstrap: str, environment: str) -> list[int]:
    """What the service sends, in order."""
    place = TopicPartition(ORDERS_EVENTS.name(environment), partition_of(KEY.encode(), PARTITIONS), 0)
    totals: list[int] = []
    deadline = time.monotonic() + SECONDS
    with closing(Consumer({"bootstrap.servers": bootstrap, "group.id": "totals"})) as reader:
        reader.assign([place])
        while len(totals) < MANY:
            assert engine.failure is None, engine.failure
            assert time.monotonic() < deadline, f"only {len(totals)} came"
            for record in reader.consume(MANY, 1.0):
                message = codec.decode(record.value())
                assert isinstance(message, OrderConfirmed)
                totals.append(message.total)
    return totals
