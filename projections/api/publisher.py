"""Commands on their way to Kafka: nothing is answered with "accepted" before every replica in sync has it."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Report

from projections.api.problems import KAFKA_AWAY, ProblemError, away
from schemas.message import Message
from streams.codec import Codec
from streams.errors import RegistryError
from streams.producer import SETTINGS

#: How long a request waits for the acknowledgement. Not longer than a person waits.
DELIVERY_SECONDS = 5.0
#: Requests that wait at once; beyond that they are turned away instead of kept.
MOST_WAITING = 1_000
_POLL_SECONDS = 0.1

log = logging.getLogger("orderflow.api")


class Publisher:
    """One producer for all requests, and a thread that hears its acknowledgements."""

    def __init__(
        self, client: Mapping[str, str], codec: Codec, environment: str, *, seconds: float = DELIVERY_SECONDS
    ) -> None:
        self._codec = codec
        self._environment = environment
        self._seconds = seconds
        self._settings = {
            **client,
            **SETTINGS,
            "message.timeout.ms": int(seconds * 1_000),
            "queue.buffering.max.messages": MOST_WAITING,
        }
        self._producer = Producer(self._settings)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._hear, name="api-acknowledgements", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Whatever waited has its answer by now: the server ends its requests first."""
        self._closing.set()
        self._thread.join(self._seconds)
        self._producer.close()

    async def publish(self, message: Message) -> None:
        """Return once it is safe. Raises ProblemError where that isn't known in time: it may be, or may not."""
        topic, key = message.contract.topic, message.record_key
        assert topic is not None  # noqa: S101 - only messages that travel are published here
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._seconds + 1):
                # In a thread: the first of its type asks the registry for the schema's id, and that blocks.
                value = await asyncio.to_thread(self._codec.encode, message)
                self._produce(topic.name(self._environment), key, value, acknowledged)
                await acknowledged
        except (KafkaException, BufferError, TimeoutError, RegistryError) as error:
            log.warning("%s of %s was not acknowledged: %s", type(message).__name__, key, error)
            raise _unacknowledged() from error

    def _produce(self, topic: str, key: str | None, value: bytes, acknowledged: "asyncio.Future[None]") -> None:
        report = partial(_report, asyncio.get_running_loop(), acknowledged)
        try:
            self._producer.produce(topic, value, key, on_delivery=report)
        except KafkaException as error:
            if error.args[0].fatal():  # it will never send again: the next request finds a new one
                self._producer = Producer(self._settings)
            raise

    def _hear(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_POLL_SECONDS)


def _report(
    loop: asyncio.AbstractEventLoop, acknowledged: "asyncio.Future[None]", error: KafkaError | None, _: Report
) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(_settle, acknowledged, error)


def _settle(acknowledged: "asyncio.Future[None]", error: KafkaError | None) -> None:
    if acknowledged.done():  # nobody waits any more
        return
    if error is None:
        acknowledged.set_result(None)
    else:
        acknowledged.set_exception(KafkaException(error))


def _unacknowledged() -> ProblemError:
    words = "Kafka did not acknowledge it in time, so it may be accepted or not: send it again with the same "
    return away(KAFKA_AWAY, words + "Idempotency-Key, which acts once in either case")
