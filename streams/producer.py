"""Publishing as all of ours do: nothing is taken for sent before every replica in sync has it."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import OrderflowError

#: One deadline for a record, from here to the acknowledgement of all replicas.
DELIVERY_SECONDS = 60

SETTINGS: dict[str, str | int | bool] = {
    "acks": "all",
    "enable.idempotence": True,
    # Java's. librdkafka's own default is CRC32: the same key would lie on another partition.
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    "linger.ms": 0,
    "message.timeout.ms": DELIVERY_SECONDS * 1000,
    # Retries are its own affair; what in the end did not arrive is an error of ours.
    "log_level": 3,
}


class DeliveryError(OrderflowError):
    """Kafka did not take all of the records."""


class Outgoing(NamedTuple):
    """A record to be sent."""

    topic: str
    key: str
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class Place(NamedTuple):
    """Where a record lies."""

    partition: int
    offset: int


def deliver(client_config: dict[str, str], records: Sequence[Outgoing]) -> list[Place]:
    """Send them all and wait for all of them; their places in the same order. Raises DeliveryError."""
    producer = Producer({**client_config, **SETTINGS})
    places: dict[int, Place] = {}
    failed: list[str] = []
    for number, record in enumerate(records):
        report = partial(_report, record.topic, number, places, failed)
        try:
            producer.produce(record.topic, record.value, record.key, headers=list(record.headers), on_delivery=report)
        except (KafkaException, BufferError) as error:
            failed.append(f"{record.topic}: {error}")
        producer.poll(0)
    producer.flush(DELIVERY_SECONDS + 5)
    if len(places) < len(records):
        silent = len(records) - len(places) - len(failed)
        raise DeliveryError("; ".join([*failed, *([f"no answer for {silent} records"] if silent else [])]))
    return [places[number] for number in range(len(records))]


def _report(
    topic: str, number: int, places: dict[int, Place], failed: list[str], error: KafkaError | None, message: Message
) -> None:
    if error is not None:
        failed.append(f"{topic}: {error.str()}")
    else:
        places[number] = Place(message.partition() or 0, message.offset() or 0)
