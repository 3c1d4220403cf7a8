"""Topics in memory, as an export asks of a cluster."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from ops.reading import Part, Said
from schemas.examples import CHECKED_OUT_AT, example_of
from schemas.message import Message
from schemas.orders import OrderConfirmed, OrderCreated, OrderStatusChanged
from schemas.payments import PaymentProcessed
from schemas.topics import PARTITIONS, Topic
from streams.codec import Undecodable
from streams.kafka.fetched import Headers
from streams.partitioner import partition_of

DAY = 24 * 60 * 60 * 1_000


class Tape:
    """It grows at its ends, and may forget its beginnings."""

    def __init__(self) -> None:
        self._said: dict[Part, list[Said]] = defaultdict(list)
        self._first: dict[Part, int] = defaultdict(int)
        self.made = "first"

    def put(
        self, topic: Topic, key: str, message: Message | Undecodable, at: int, headers: Headers | None = None
    ) -> Said:
        part = Part(topic.name("test"), partition_of(key.encode(), PARTITIONS))
        said = Said(part, len(self._said[part]), at, key, message, headers or [])
        self._said[part].append(said)
        return said

    def forget(self, part: Part, before: int) -> None:
        self._first[part] = before

    def topics(self) -> dict[str, int]:
        return {part.topic: PARTITIONS for part in self._said}

    def ids(self, topics: Collection[str]) -> dict[str, str]:
        return dict.fromkeys(topics, self.made)

    def bounds(self, parts: Iterable[Part]) -> dict[Part, tuple[int, int]]:
        return {part: (self._first[part], len(self._said[part])) for part in parts}

    def within(self, bounds: Mapping[Part, tuple[int, int]]) -> Iterator[list[Said]]:
        for part, (begin, end) in bounds.items():
            yield self._said[part][begin:end]


def two_days() -> Tape:
    """Some orders a day, and their payments."""
    tape = Tape()
    for message in (OrderCreated, OrderConfirmed, OrderStatusChanged, PaymentProcessed):
        for number in range(6):
            example, topic = example_of(message), message.contract.topic
            assert topic is not None
            tape.put(topic, f"{number:08}", example, CHECKED_OUT_AT + number % 2 * DAY)
    return tape


TWO_DAYS = {"orders.test.events": "orders.events", "payments.test.events": "payments.events"}
