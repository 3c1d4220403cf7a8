"""Publishes a load as the time of each message comes."""

from typing import Self

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Report

from schemas.message import Message
from streams.codec import Codec
from streams.producer import DELIVERY_SECONDS, SETTINGS, DeliveryError


class Publisher:
    """Like any producer from outside. Raises DeliveryError for what Kafka did not take."""

    def __init__(self, client: dict[str, str], codec: Codec, environment: str) -> None:
        self._codec, self._environment = codec, environment
        self._producer = Producer({**client, **SETTINGS})
        self._failures: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Whatever is left is nobody's business any more; and a client that lives on tells of brokers that are stopped.
        self._producer.purge()
        self._producer.close()

    def send(self, message: Message) -> None:
        topic, key = message.contract.topic, message.record_key
        assert topic is not None and key is not None  # noqa: S101, PT018 - a load is made of such as travel
        name = topic.name(self._environment)
        self._producer.produce(name, self._codec.encode(message), key, on_delivery=self._told)
        self._producer.poll(0)
        self._raise()

    def flush(self) -> None:
        """Until all of it lies on every replica in sync."""
        if left := self._producer.flush(DELIVERY_SECONDS + 5):
            self._failures.append(f"no answer for {left} records")
        self._raise()

    def _told(self, error: KafkaError | None, report: Report) -> None:
        if error is not None:
            self._failures.append(f"{report.topic()}: {error.str()}")

    def _raise(self) -> None:
        if self._failures:
            raise DeliveryError("; ".join(self._failures[:3]))
