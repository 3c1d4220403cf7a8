"""librdkafka as the data thread uses it: what its clients are told, and how it is read."""

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # theirs, not in its list

from schemas.errors import OrderflowError
from streams.kafka.fetched import Fetched
from streams.kafka.topics import LARGEST_INTERNAL

log = logging.getLogger(__name__)

#: Of a broker, to one question. Several may be asked in a row, and a revocation must not wait for them too long.
ANSWER_SECONDS = 3.0

PRODUCER: dict[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    # Of a batch, the last acknowledgement stands for all: a record that is refused ends the producer instead.
    "enable.gapless.guarantee": True,
    # A broker that is away is waited for. Whoever owns the partition then is decided by the changelog's order.
    "message.timeout.ms": 0,
    "compression.type": "lz4",
    "linger.ms": 0,
    "batch.num.messages": 10_000,
    "queue.buffering.max.messages": 500_000,
    "message.max.bytes": LARGEST_INTERNAL,
}
CONSUMER: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # Positions come from the group; where they point to nothing, that is for us to judge.
    "auto.offset.reset": "error",
    "fetch.queue.backoff.ms": 10,
    "queued.min.messages": 20_000,
    "queued.max.messages.kbytes": 32_768,
}


class PlaneError(OrderflowError):
    """The data thread can't go on."""


def fetched(consumer: Consumer, most: int, seconds: float) -> list[Fetched]:
    return cast("list[Fetched]", consumer.consume(most, seconds))


def ends(admin: AdminClient, places: Iterable[TopicPartition]) -> "dict[TopicPartition, Future[Any]]":
    """Asks where these end; by the admin's client, as a consumer's question waits behind the fetch under way."""
    return _offsets(admin, dict.fromkeys(places, OffsetSpec.latest()))  # type: ignore[no-untyped-call]  # theirs


def bounds(admin: AdminClient, place: TopicPartition) -> tuple[int, int]:
    """Where a partition begins and ends. Raises KafkaException or TimeoutError where no broker says it."""
    begins = _offsets(admin, {place: OffsetSpec.earliest()})  # type: ignore[no-untyped-call]  # theirs
    low, high = (each[place].result(ANSWER_SECONDS).offset for each in (begins, ends(admin, [place])))
    return low, high


def _offsets(admin: AdminClient, wanted: dict[TopicPartition, Any]) -> "dict[TopicPartition, Future[Any]]":
    asked: dict[TopicPartition, Future[Any]] = admin.list_offsets(wanted, request_timeout=ANSWER_SECONDS)
    return asked


def complain(record: Fetched, error: KafkaError) -> None:
    """Of an error that stands in a record's place. Raises PlaneError where it will not pass."""
    place = f"{record.topic()}[{record.partition()}]"
    if error.fatal():
        raise PlaneError(f"{place}: {error.str()}")
    log.warning("%s: %s", place, error.str())
