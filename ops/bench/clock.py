"""When each cart was published and when its checkout was completed, by the timestamps of the records themselves."""

import time
from collections.abc import Mapping
from typing import Self

from confluent_kafka import Consumer, TopicPartition

from ops.bench.errors import StalledError
from schemas.checkout import CheckoutCompleted
from schemas.shopping import CartCheckedOut
from schemas.topics import CARTS_EVENTS, CHECKOUT_EVENTS, PARTITIONS
from streams.codec import Codec
from streams.kafka.clients import fetched

#: A pipeline that completes nothing for so long never will.
PATIENCE_SECONDS = 60.0
MOST_AT_ONCE = 5_000


class Clock:
    """Reads both topics; nothing is decoded but the type, so that it takes little of the workers' processor."""

    def __init__(self, client: Mapping[str, str], codec: Codec, environment: str) -> None:
        self._codec = codec
        self.published: dict[str, int] = {}
        self.completed: dict[str, int] = {}
        self._consumer = Consumer(
            {**client, "group.id": "orderflow-bench", "enable.auto.commit": False, "log_level": 3}
        )
        topics = (CARTS_EVENTS.name(environment), CHECKOUT_EVENTS.name(environment))
        self._consumer.assign([TopicPartition(topic, number, 0) for topic in topics for number in range(PARTITIONS)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def await_completed(self, count: int) -> None:
        """Until so many are, in all. Raises StalledError where nothing moves any more."""
        moved_at = time.monotonic()
        while len(self.completed) < count:
            before = len(self.completed)
            self.look(0.1)
            if len(self.completed) > before:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > PATIENCE_SECONDS:
                raise StalledError(PATIENCE_SECONDS, len(self.completed), count)

    def look(self, seconds: float) -> None:
        for record in fetched(self._consumer, MOST_AT_ONCE, seconds):
            if record.error() is not None:
                continue  # whoever waits for what lies there has a deadline
            kind, key = self._codec.type_of(record.value()), (record.key() or b"").decode()
            if kind is CartCheckedOut:
                self.published.setdefault(key, record.timestamp()[1])
            elif kind is CheckoutCompleted:
                self.completed.setdefault(key, record.timestamp()[1])
