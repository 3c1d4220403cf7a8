"""One reader of all that an environment has to say, from its beginning."""

from collections.abc import Collection, Iterator
from typing import NamedTuple, Self

from confluent_kafka import Consumer, TopicPartition

from ops.demo.errors import DemoError
from schemas.message import Message
from streams.cloudevents import with_meta
from streams.codec import Codec, Undecodable
from streams.kafka.clients import fetched
from streams.kafka.fetched import Fetched
from streams.kafka.wire import DEAD_LETTER

MOST_AT_ONCE = 2_000


class Heard(NamedTuple):
    """A message of the contract."""

    message: Message
    #: The timestamp of its record, in millis.
    at: int


class DeadLetter(NamedTuple):
    """What a service could not use: where it lay, and why not."""

    service: str
    topic: str
    partition: int
    offset: int
    cause: str
    #: None where it is none.
    message: Message | None


class Reader:
    """Of the topics of the contract, and of dead letters. Close it."""

    def __init__(
        self,
        client: dict[str, str],
        codec: Codec,
        *,
        topics: Collection[str],
        dead_letters: Collection[str],
        partitions: int,
    ) -> None:
        self._codec = codec
        self._dead_letters = frozenset(dead_letters)
        self._consumer = Consumer(
            {
                **client,
                "group.id": "orderflow-demo-reader",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 3,
            }
        )
        self._consumer.assign(
            [TopicPartition(topic, number, 0) for topic in (*topics, *dead_letters) for number in range(partitions)]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read(self, seconds: float) -> Iterator[Heard | DeadLetter]:
        """Whatever has come, after so long at most. Bytes that are no message are nobody's news here."""
        for record in fetched(self._consumer, MOST_AT_ONCE, seconds):
            if (error := record.error()) is not None:
                if error.fatal():
                    raise DemoError(f"{record.topic()}[{record.partition()}] can't be read: {error.str()}")
                continue  # it passes, or whoever waits for what lies there has a deadline
            message = self._message(record)
            if record.topic() in self._dead_letters:
                yield _dead_letter(record, message)
            elif message is not None:
                yield Heard(message, record.timestamp()[1])

    def _message(self, record: Fetched) -> Message | None:
        key = (record.key() or b"").decode(errors="replace")
        message = self._codec.decode(record.value(), key)
        if isinstance(message, Undecodable):
            return None
        return with_meta(message, record.headers, record.topic(), record.partition(), record.offset())


def _dead_letter(record: Fetched, message: Message | None) -> DeadLetter:
    said = {name.removeprefix(DEAD_LETTER): (value or b"").decode() for name, value in record.headers() or ()}
    return DeadLetter(
        said["service"], said["topic"], int(said["partition"]), int(said["offset"]), said["cause"], message
    )
