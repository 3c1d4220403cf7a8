"""What lies on topics, decoded: of the given partitions, from a given place on, and further as it comes.

Whoever reads here is a member of no group and commits nothing: it is a look, and nobody notices it.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Self, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from ops import addresses
from ops.settings import Settings
from schemas.errors import OrderflowError
from schemas.message import Message
from streams.cloudevents import with_meta
from streams.codec import Codec, Undecodable
from streams.confluent import ConfluentRegistry
from streams.kafka.fetched import Fetched, Headers
from streams.replay import origin_of

#: To one question, and from one record to the next while there are more.
ANSWER_SECONDS = 15.0
#: Records at once: enough to be quick, few enough to be no burden.
MOST = 2_000
_PAUSE_SECONDS = 0.2

#: How many records were read, of how many.
Progress = Callable[[int, int], None]


def unseen(_done: int, _total: int) -> None:
    """Nobody looks."""


class ReadingError(OrderflowError):
    """Kafka does not give what lies on a topic."""


class Part(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Said:
    """A record, read."""

    part: Part
    offset: int
    #: Its time, in millis.
    at: int
    key: str
    message: Message | Undecodable
    headers: Headers

    @property
    def place(self) -> str:
        return f"{self.part.topic}-{self.part.partition}@{self.offset}"

    @property
    def id(self) -> str:
        """Its messageId; what can't be read is known by its place."""
        meta = self.message.meta if isinstance(self.message, Message) else None
        return meta.messageId if meta else self.place

    def repeats(self, topic_id: str) -> bool:
        """Whether a replay copied it from the topic with that id (docs/replay.md)."""
        origin = origin_of(self.headers)
        return origin is not None and origin.topic_id == topic_id

    @property
    def cause(self) -> str | None:
        meta = self.message.meta if isinstance(self.message, Message) else None
        return meta.causationId if meta else None


class Reader(AbstractContextManager["Reader"]):
    """Of one cluster."""

    def __init__(self, client: Mapping[str, str], codec: Codec) -> None:
        self._codec = codec
        settings = {"group.id": "orderflow-reading", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        settings |= {"enable.partition.eof": True, "fetch.wait.max.ms": 100, "log_level": 0}
        self._consumer = Consumer({**client, **settings})
        self._admin = AdminClient({**client, "log_level": 0})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def topics(self) -> dict[str, int]:
        """Every topic there is, with its number of partitions."""
        try:
            there = self._consumer.list_topics(timeout=ANSWER_SECONDS).topics
        except KafkaException as error:
            raise ReadingError(
                "Kafka doesn't answer: is it running (`orderflow status`), and is ORDERFLOW_KAFKA_BOOTSTRAP right?"
            ) from error
        return {name: len(topic.partitions) for name, topic in there.items()}

    def ids(self, topics: Collection[str]) -> dict[str, str]:
        """Of each topic that is there, what tells it from one of the same name that was deleted."""
        asked = self._admin.describe_topics(TopicCollection([*topics]), request_timeout=ANSWER_SECONDS)
        try:
            return {name: str(answer.result(ANSWER_SECONDS).topic_id) for name, answer in asked.items()}
        except (KafkaException, TimeoutError) as error:
            raise ReadingError(
                f"Kafka doesn't describe {', '.join(topics)}: are they there, and does it run?"
            ) from error

    def topic_id(self, topic: str) -> str:
        """Of this one."""
        return self.ids([topic])[topic]

    def bounds(self, parts: Iterable[Part]) -> dict[Part, tuple[int, int]]:
        """Of each, the first offset that is still there, and the one that comes next."""
        asked = list(parts)
        # They left both untyped.
        first = self._offsets(asked, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        end = self._offsets(asked, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return {part: (first[part], end[part]) for part in asked}

    def since(self, parts: Iterable[Part], at: int) -> dict[Part, int]:
        """Of each, the first offset whose record is not older than that time, in millis; its end where all are."""
        asked = list(parts)
        found = self._offsets(asked, OffsetSpec.for_timestamp(at))
        ends = self._offsets([part for part in asked if found[part] < 0], OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return found | ends

    def _offsets(self, parts: Iterable[Part], spec: OffsetSpec) -> dict[Part, int]:
        """On a connection of its own: behind a fetch that waits for records, each question would wait, too."""
        places = {TopicPartition(*part): spec for part in parts}
        if not places:  # the client takes no empty question
            return {}
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                answers = self._admin.list_offsets(places, request_timeout=ANSWER_SECONDS)
                return {
                    Part(place.topic, place.partition): answer.result(ANSWER_SECONDS).offset
                    for place, answer in answers.items()
                }
            except (KafkaException, TimeoutError) as error:  # a partition that has just moved is asked for again
                if time.monotonic() > deadline:
                    raise ReadingError("Kafka doesn't say where a topic begins and ends; try again") from error
                time.sleep(_PAUSE_SECONDS)

    def start(self, offsets: Mapping[Part, int]) -> None:
        """Read on from there."""
        self._consumer.assign([TopicPartition(*part, offset) for part, offset in offsets.items()])

    def next(self, seconds: float, keys: Collection[bytes] | None = None) -> list[Said]:
        """What has come, waiting for so long at most; of these keys alone, if any are given."""
        records, _ = self._fetch(seconds)
        return [self._said(record) for record in records if keys is None or record.key() in keys]

    def to_the_end(
        self, parts: Iterable[Part], keys: Collection[bytes] | None = None, progress: Progress = unseen
    ) -> list[Said]:
        """What lies on these partitions now, of these keys alone if any are given; what comes meanwhile is left out."""
        wanted = None if keys is None else keys.__contains__
        return [said for batch in self.within(self.bounds(parts), wanted, progress) for said in batch]

    def within(
        self,
        bounds: Mapping[Part, tuple[int, int]],
        wanted: Callable[[bytes], bool] | None = None,
        progress: Progress = unseen,
    ) -> Iterator[list[Said]]:
        """What lies between these offsets, batch by batch; only records whose key is `wanted` are looked into."""
        total = sum(max(0, end - first) for first, end in bounds.values())
        done = dict.fromkeys(bounds, 0)
        for records in self.between(bounds):
            for record in records:
                part = _part_of(record)
                done[part] = record.offset() + 1 - bounds[part][0]
            progress(sum(done.values()), total)
            yield [self._said(record) for record in records if wanted is None or wanted(record.key() or b"")]

    def between(self, bounds: Mapping[Part, tuple[int, int]]) -> Iterator[list[Fetched]]:
        """As it lies there, from the first of two offsets to before the second, each partition in its order."""
        unread = {part for part, (first, end) in bounds.items() if first < end}
        self.start({part: bounds[part][0] for part in unread})
        deadline = time.monotonic() + ANSWER_SECONDS
        while unread:
            # The last place before the end may hold a record no more; then the end is all that comes.
            records, ended = self._fetch(_PAUSE_SECONDS)
            over = set(ended)
            over.update(part for record in records if record.offset() >= bounds[part := _part_of(record)][1] - 1)
            over &= unread
            if over:
                unread -= over
                # What is written there meanwhile, perhaps by who reads this, is nobody's business here.
                self._consumer.incremental_unassign([TopicPartition(*part) for part in over])
            taken = [record for record in records if record.offset() < bounds[_part_of(record)][1]]
            if taken:
                yield taken
            if records or ended:
                deadline = time.monotonic() + ANSWER_SECONDS
            elif time.monotonic() > deadline:
                names = ", ".join(f"{part.topic}-{part.partition}" for part in sorted(unread))
                raise ReadingError(f"nothing came from {names} for {ANSWER_SECONDS:.0f} s; try again")

    def _fetch(self, seconds: float) -> tuple[list[Fetched], list[Part]]:
        """Records, and the partitions of which there are no more at present."""
        records, ended = list[Fetched](), list[Part]()
        for record in cast("list[Fetched]", self._consumer.consume(MOST, seconds)):
            error = record.error()
            if error is None:
                records.append(record)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes begin so
                ended.append(_part_of(record))
            else:
                raise ReadingError(f"{record.topic()}-{record.partition()}: {error.str()}")
        return records, ended

    def _said(self, record: Fetched) -> Said:
        part, offset, key = _part_of(record), record.offset(), record.key() or b""
        text = key.decode(errors="replace")
        message = self._codec.decode(record.value(), text)
        if isinstance(message, Message) and message.meta is None:  # it goes by the id that services know it by
            message = with_meta(message, record.headers, *part, offset)
        return Said(part, offset, record.timestamp()[1], text, message, record.headers() or [])


def _part_of(record: Fetched) -> Part:
    return Part(record.topic(), record.partition())


def in_order(records: Iterable[Said]) -> list[Said]:
    """By time; of one millisecond, a cause before what it caused."""
    found = list(records)
    causes = {each.id: each.cause for each in found}

    def depth(each: Said) -> int:
        seen, cause = {each.id}, each.cause
        while cause in causes and cause not in seen:
            seen.add(cause)
            cause = causes[cause]
        return len(seen)

    return sorted(found, key=lambda each: (each.at, depth(each), each.part, each.offset))


@contextmanager
def opened(settings: Settings, environment: str) -> Iterator[tuple[Reader, Codec]]:
    """On the cluster and by the registry that the settings name."""
    with closing(ConfluentRegistry(settings.registry_client(addresses.registry(settings)))) as registry:
        codec = Codec(registry, environment)
        with Reader(settings.kafka_client(addresses.kafka(settings)), codec) as reader:
            yield reader, codec
