"""One valid example of each message that travels, through the real parts and back out to a reader who isn't ours."""

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from ops import contract
from ops.environment import Say, create_topics, register
from ops.settings import Settings
from ops.stack import Stack
from ops.stack.borrowed import borrowed
from ops.stack.progress import Report
from schemas.catalogue import RECORDS
from schemas.errors import OrderflowError
from schemas.examples import example_of
from schemas.message import Message
from streams import cloudevents
from streams.codec import Codec
from streams.producer import Outgoing, Place, deliver

#: Topics of its own, so that nobody's orders are among the examples.
ENVIRONMENT = "roundtrip"
READ_SECONDS = 30.0
#: Their client's own default is to wait for ever.
REGISTRY_SECONDS = 10.0


class RoundtripError(OrderflowError):
    """Something that was published did not come back as it was."""


@dataclass(frozen=True, slots=True)
class Trip:
    """One message, there and back."""

    message: str
    topic: str
    partition: int
    offset: int
    size: int
    #: What came back is what was sent.
    same: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all of them."""

    trips: list[Trip]
    schemas_registered: int
    topics_created: int
    seconds: float

    @property
    def differing(self) -> list[str]:
        return [trip.message for trip in self.trips if not trip.same]


def run(settings: Settings, report: Report, say: Say) -> Outcome:
    """Start what is missing, send, read back, and leave running only what ran before."""
    started = time.monotonic()
    with borrowed(Stack(settings, report=report)) as addresses:
        client = settings.kafka_client(addresses.kafka)
        access = settings.registry_client(addresses.registry)
        registered = register(access, ENVIRONMENT, say)
        created = create_topics(client, ENVIRONMENT, say)
        sent = _publish(client, access, settings, say)
        trips = _read_back(client, access, sent)
    return Outcome(trips, registered, created, round(time.monotonic() - started, 1))


def _publish(
    client: dict[str, str], access: dict[str, str], settings: Settings, say: Say
) -> list[tuple[Message, Outgoing, Place]]:
    messages = [example_of(message) for message in RECORDS]
    with contract.opened(access) as registry:
        codec = Codec(registry, ENVIRONMENT)
        outgoing = [_outgoing(message, codec, settings) for message in messages]
    places = deliver(client, outgoing)
    say(f"published {len(places)} messages, one of each")
    return list(zip(messages, outgoing, places, strict=True))


def _outgoing(message: Message, codec: Codec, settings: Settings) -> Outgoing:
    topic, key = message.contract.topic, message.record_key
    if topic is None or key is None:
        raise RoundtripError(f"{type(message).__name__}: its example has no topic or no key")
    name = topic.name(ENVIRONMENT)
    wants_headers = name in settings.cloudevents_topics
    headers = cloudevents.headers_of(message, "/orderflow/roundtrip", int(time.time() * 1000)) if wants_headers else ()
    return Outgoing(name, key, codec.encode(message), headers)


def _read_back(
    client: dict[str, str], access: dict[str, str], sent: list[tuple[Message, Outgoing, Place]]
) -> list[Trip]:
    """By Confluent's own deserializer, which knows our schemas from the registry and nothing of our code."""
    found = _fetch(client, {(record.topic, *place) for _, record, place in sent})
    trips = []
    with closing(SchemaRegistryClient({**access, "timeout": REGISTRY_SECONDS})) as registry:
        deserialize = AvroDeserializer(registry)
        for message, record, place in sent:
            value = found[record.topic, place.partition, place.offset]
            seen = _plain(deserialize(value, SerializationContext(record.topic, MessageField.VALUE)))
            same = seen == _plain(message.model_dump())
            trips.append(Trip(type(message).__name__, record.topic, *place, len(value), same))
    return trips


def _fetch(client: dict[str, str], wanted_places: set[tuple[str, int, int]]) -> dict[tuple[str, int, int], bytes]:
    """The values at these places, read from the first of them on each partition."""
    first: dict[tuple[str, int], int] = {}
    for topic, partition, offset in wanted_places:
        first[topic, partition] = min(offset, first.get((topic, partition), offset))
    consumer = Consumer({**client, "group.id": "orderflow-roundtrip", "enable.auto.commit": False})
    found: dict[tuple[str, int, int], bytes] = {}
    try:
        consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in first.items()])
        deadline = time.monotonic() + READ_SECONDS
        while not wanted_places <= found.keys():
            left = deadline - time.monotonic()
            if left <= 0:
                raise RoundtripError(
                    f"{len(wanted_places - found.keys())} records did not come back in {READ_SECONDS:.0f} s"
                )
            for record in consumer.consume(500, timeout=min(left, 1.0)):
                if record.error() is None:
                    place = (record.topic() or "", record.partition() or 0, record.offset() or 0)
                    found[place] = record.value() or b""
    finally:
        consumer.close()
    return found


def _plain(value: Any) -> Any:
    """Into what JSON knows: their reader gives UUIDs, times and lists where our messages have texts, millis, tuples."""
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case UUID():
            return str(value)
        case datetime():
            return round(value.timestamp() * 1000)
    return value
