"""Dead letters of a read model: the record as it was, and why nobody could apply it."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from projections.store import Owned
from schemas.errors import OrderflowError
from streams.kafka.clients import PRODUCER
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.kafka.topics import dead_letters_of
from streams.kafka.wire import DEAD_LETTER

log = logging.getLogger(__name__)

DELIVERY_SECONDS = 4.0


class UndeliveredError(OrderflowError):
    """Kafka did not take a dead letter in time; it is sent again with its batch."""


class Letters:
    """For the data thread of one read model."""

    def __init__(self, service: str, environment: str, client: Mapping[str, Any], counters: Counters) -> None:
        self._service = service
        self._topic = dead_letters_of(service, environment)
        self._client = client
        self._counters = counters
        self._producer: Producer | None = None

    def send(self, owned: Owned, refused: Sequence[tuple[Fetched, str]]) -> None:
        """Return once Kafka has them. What is sent again after a crash has the same headers: they name its place."""
        errors = list[KafkaError]()
        producer = self._producer = self._producer or Producer({**self._client, **PRODUCER})
        for record, cause in refused:
            said = {
                "cause": cause,
                "service": self._service,
                "topic": owned.topic,
                "partition": str(owned.partition),
                "offset": str(record.offset()),
                "timestamp": str(record.timestamp()[1]),
            }
            headers = [*(record.headers() or ()), *((DEAD_LETTER + name, text.encode()) for name, text in said.items())]
            try:
                producer.produce(
                    self._topic,
                    record.value(),
                    record.key(),
                    owned.partition,
                    on_delivery=lambda error, _: errors.append(error) if error else None,
                    headers=headers,
                )
            except (BufferError, KafkaException) as error:
                raise self._undelivered(str(error)) from error
        if left := producer.flush(DELIVERY_SECONDS):
            raise self._undelivered(f"{left} are on their way for {DELIVERY_SECONDS:.0f} s")
        if errors:
            raise self._undelivered(errors[0].str())
        for record, cause in refused:
            self._counters.dead_letter(cause)
            log.warning(
                "%s[%s]@%s is a dead letter of %s: %s",
                *(owned.topic, owned.partition, record.offset(), self._service, cause),
            )

    def _undelivered(self, problem: str) -> UndeliveredError:
        # What is on its way must not be sent beside its repetition, if that can be helped.
        if self._producer is not None:
            self._producer.purge(blocking=False)
            self._producer = None
        return UndeliveredError(f"{self._topic} did not take dead letters: {problem}")
