"""Engines in this process, on topics of one test; and what lies on those topics, as a stranger reads it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from threading import Thread
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from ops.stack.waiting import wait_until
from schemas.message import Message, Meta
from schemas.orders import ConfirmOrder
from schemas.topics import PARTITIONS, Topic
from streams import changelog
from streams.changelog import MARKER_KEY, Record
from streams.codec import Codec
from streams.effects import Perform, Policy
from streams.hosting import Hosted
from streams.kafka.engine import KafkaEngine, Site
from streams.kafka.fetched import Fetched
from streams.kafka.status import Engine
from streams.kafka.topics import changelog_of, dead_letters_of, group_of, internal_topics, own_topic_of
from streams.partitioner import partition_of
from streams.registry import Registry
from streams.service import Service
from streams.state import StateCodec
from streams.step import Entry
from streams.stores.memory import MemoryStores
from streams.testing.registry import MemoryRegistry
from streams.topics import TopicAdmin, plan, wanted

#: The machine may be busy with other tests.
SECONDS = 45.0


class Lying(NamedTuple):
    """A record on a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes | None]


class Ground:
    """One environment on the broker."""

    def __init__(self, bootstrap: str, environment: str) -> None:
        self.environment = environment
        self.client = {"bootstrap.servers": bootstrap}
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self.registry = MemoryRegistry()
        self.codec = Codec(self.registry, environment)
        self._producer = Producer({**self.client, "linger.ms": 5, "message.max.bytes": 2**20})

    def make_topics(self, *services: Service[Any, Any], references: bool = True) -> None:
        """What the services read, write and have for themselves; with or without their reference topics."""
        topics = {
            message.contract.topic
            for service in services
            for message in (*service.consumes, *service.sends, *(service.reads if references else ()))
        }
        declared = [wanted(topic, self.environment, brokers=1) for topic in topics if topic is not None]
        for service in services:
            declared += internal_topics(service, self.environment, brokers=1)
        admin = TopicAdmin(self.client)
        admin.apply(plan(declared, admin.find([topic.name for topic in declared])), declared)

    def delete_topic(self, name: str) -> None:
        self.admin.delete_topics([name])[name].result(SECONDS)
        assert wait_until(lambda: name not in TopicAdmin(self.client).partition_counts(), seconds=SECONDS)

    def engine(
        self,
        service: Service[Any, Any],
        *,
        perform: Mapping[type, Perform] | None = None,
        policies: Mapping[type, Policy] | None = None,
        registry: Registry | None = None,
        **site: Any,
    ) -> KafkaEngine:
        settings: dict[str, Any] = {"stores": MemoryStores(), "session_seconds": 6.0} | site
        where = Site(environment=self.environment, client=self.client, registry=registry or self.registry, **settings)
        return KafkaEngine(Hosted(service, perform=perform or {}, policies=policies or {}), where)

    def publish(self, *messages: Message) -> None:
        for message in messages:
            topic = message.contract.topic
            assert topic is not None
            self.put(topic, self.codec.encode(message), (message.record_key or "").encode())
        self.flush()

    def put(
        self,
        topic: Topic | str,
        value: bytes | None,
        key: bytes | None,
        *,
        partition: int | None = None,
        headers: Mapping[str, bytes] | None = None,
        at: int = 0,
    ) -> None:
        """Any record anywhere, of any time in millis, which is now by default; `flush` waits for it."""
        name = topic if isinstance(topic, str) else topic.name(self.environment)
        if partition is None:
            partition = partition_of(key or b"", PARTITIONS)
        self._producer.produce(name, value, key, partition, timestamp=at, headers=list((headers or {}).items()))
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(SECONDS) == 0

    def read(self, topic: Topic | str) -> list[Lying]:
        """All that is there now, in the order of each partition."""
        name = topic if isinstance(topic, str) else topic.name(self.environment)
        settings = {"group.id": "stranger", "enable.partition.eof": True, "isolation.level": "read_uncommitted"}
        reader = Consumer({**self.client, **settings, "auto.offset.reset": "earliest"})
        found: list[Lying] = []
        try:
            places = [TopicPartition(name, number, 0) for number in range(PARTITIONS)]
            open_ends = set(range(PARTITIONS))
            reader.assign(places)

            def read_on() -> bool:
                records: list[Fetched] = reader.consume(10_000, 0.1)  # type: ignore[assignment]  # see Fetched
                for record in records:
                    if record.error() is not None:
                        open_ends.discard(record.partition())
                        continue
                    place = (record.partition(), record.offset(), record.key(), record.value())
                    found.append(Lying(*place, dict(record.headers() or ())))
                return not open_ends

            assert wait_until(read_on, seconds=SECONDS)
        finally:
            reader.close()
        return sorted(found, key=lambda each: (each.partition, each.offset))

    def dead_letters(self, service: Service[Any, Any]) -> list[Lying]:
        return self.read(dead_letters_of(service.name, self.environment))

    def changelog(self, service: Service[Any, Any]) -> str:
        return changelog_of(service.name, self.environment)

    def own_topic(self, service: Service[Any, Any]) -> str:
        return own_topic_of(service.name, self.environment)

    def messages(self, topic: Topic) -> list[Any]:
        """What can be read of it, decoded; what was published again after a life's end, under the same id, once."""
        found: dict[Any, Any] = {}
        for record in self.read(topic):
            message = self.codec.decode(record.value)
            meta = message.meta if isinstance(message, Message) else None
            found.setdefault(meta.messageId if meta else (record.partition, record.offset), message)
        return list(found.values())

    def entries(self, service: Service[Any, Any]) -> dict[str, Entry[Any] | None]:
        """By key, as the last changelog record has them."""
        codec, found = StateCodec(service), dict[str, Entry[Any] | None]()
        for record in self.read(self.changelog(service)):
            key = record.key or b""
            if key != MARKER_KEY:
                place = changelog.Place("", record.partition, record.offset, key)
                said = changelog.decode(place, record.value)
                entry = said.entry if isinstance(said, Record) else b""
                found[key.decode()] = codec.decode(key.decode(), entry) if entry else None
        return found

    def committed(self, service: Service[Any, Any], topic: Topic | str) -> dict[int, tuple[int, str]]:
        """By partition: the next offset to read, and what is noted beside it."""
        name = topic if isinstance(topic, str) else topic.name(self.environment)
        reader = Consumer({**self.client, "group.id": group_of(service.name, self.environment)})
        found: dict[int, tuple[int, str]] = {}

        def answered() -> bool:
            places = [TopicPartition(name, number) for number in range(PARTITIONS)]
            try:
                answer = reader.committed(places, timeout=SECONDS)
            except KafkaException:  # a new group's coordinator is still to be found
                return False
            found.update({place.partition: (place.offset, place.metadata or "") for place in answer})
            return True

        try:
            assert wait_until(answered, seconds=SECONDS)
        finally:
            reader.close()
        return found

    def ends(self, topic: Topic | str) -> dict[int, int]:
        name = topic if isinstance(topic, str) else topic.name(self.environment)
        reader = Consumer({**self.client, "group.id": "stranger"})
        try:
            return {
                number: reader.get_watermark_offsets(TopicPartition(name, number), timeout=SECONDS)[1]
                for number in range(PARTITIONS)
            }
        finally:
            reader.close()


@contextmanager
def running(*engines: Engine) -> Iterator[None]:
    """On a loop of its own in another thread, so that a test may wait as it likes."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        thread = Thread(target=loop.run_forever, daemon=True)
        thread.start()

        def stop_loop() -> None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(SECONDS)

        try:
            for engine in engines:
                asyncio.run_coroutine_threadsafe(engine.start(), loop).result(SECONDS)
            yield
        finally:
            for engine in engines:
                asyncio.run_coroutine_threadsafe(engine.stop(), loop).result(SECONDS)
            stop_loop()


def until(condition: Callable[[], bool], *engines: Engine, seconds: float = SECONDS) -> None:
    """Wait for it; an engine that fails meanwhile is why it never comes."""

    def holds() -> bool:
        for engine in engines:
            if engine.failure is not None:
                raise engine.failure
        return condition()

    assert wait_until(holds, seconds=seconds), "it did not come to be in time"


def failure_of(engine: Engine) -> str:
    """What it fails with, once it does."""
    assert wait_until(lambda: engine.failure is not None, seconds=SECONDS), "it did not fail"
    return str(engine.failure)


def active(engine: Engine) -> set[int]:
    return {each.partition for each in engine.status().partitions if each.role == "active"}


def orders(partition: int) -> Iterator[str]:
    """Ids of orders that belong there."""
    for number in count():
        order_id = str(uuid5(NAMESPACE_OID, f"order {number}"))
        if partition_of(order_id.encode(), PARTITIONS) == partition:
            yield order_id


def confirm(order_id: str, worth: object = 1, meta: Meta | None = None) -> ConfirmOrder:
    return ConfirmOrder(orderId=order_id, inventoryReservationId=str(worth), meta=meta)
