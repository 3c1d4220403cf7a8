"""The reference topics of a service, held whole by each of its workers and followed as they change.

It joins no group: all partitions are read from their beginning, whoever owns what. The data thread lets it `follow` at
each turn, and owns nothing before everything that was there has been read.
"""

import logging
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.message import Message
from streams.codec import Reason, Undecodable
from streams.errors import RegistryError
from streams.kafka.clients import ANSWER_SECONDS, CONSUMER, complain, fetched
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.kafka.topics import group_of
from streams.kafka.wire import Codecs
from streams.tables import Latest

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)

#: Of one turn: the inputs wait meanwhile.
MOST_RECORDS = 1_000
RETRY_SECONDS = 1.0
#: Between two words about a reading that takes long.
PROGRESS_SECONDS = 5.0
#: Between two looks at whether the topics are still those that were read.
TOPICS_SECONDS = 30.0


class _Shape(NamedTuple):
    """Of a topic: another one means that another history is to be read."""

    topic_id: str
    partitions: int


class References:
    """What the deciders of a service look up (`streams.tables.Tables`). All but `sizes` is the data thread's."""

    def __init__(self, codecs: Codecs, client: Mapping[str, Any], counters: Counters) -> None:
        self._name = group_of(codecs.service.name, codecs.environment)
        self._codec = codecs.messages
        self._reads = codecs.service.reads
        self._client = dict(client)
        self._counters = counters
        self._latest = Latest(self._reads)
        self._topics = {topic.name(codecs.environment): topic for topic in self._latest.topics}
        #: What is being read from the beginning; the deciders have what was read before, until it is whole.
        self._unfinished: Latest | None = None
        self._open_ends: set[tuple[str, int]] = set()
        self._read = 0
        #: Everything that was there at some time has been read.
        self.loaded = not self._topics
        self._shapes: Mapping[str, _Shape] = {}
        self._pending: deque[Fetched] = deque()
        self._consumer: Consumer | None = None
        self._admin: AdminClient | None = None
        self._asked: dict[str, Future[Any]] | None = None
        self._look_at = self._read_at = self._progress_at = 0.0

    def get(self, kind: type[M], key: str) -> M | None:
        return self._latest.get(kind, key)

    def sizes(self) -> Mapping[str, int]:
        """How many keys each topic has here."""
        sizes = self._latest.sizes
        return {name: sizes[topic] for name, topic in self._topics.items()}

    def follow(self, now: float) -> None:
        """Take in what is there by now."""
        if not self._topics:
            return
        if now >= self._look_at:
            self._look(now)
        if self._consumer is not None and now >= self._read_at:
            self._take_in(self._consumer, now)
        if not self.loaded and now >= self._progress_at:
            self._progress_at = now + PROGRESS_SECONDS
            log.info("%s: %s records of its reference topics read so far", self._name, self._read)

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()

    def _look(self, now: float) -> None:
        """Begin, and begin anew where a topic is another one by now. A broker that doesn't answer is asked again.

        It never waits, for others are served meanwhile.
        """
        if self._admin is None:
            self._admin = AdminClient(self._client)
        if self._asked is None:
            topics = TopicCollection(list(self._topics))
            self._asked = self._admin.describe_topics(topics, request_timeout=ANSWER_SECONDS)
        if not all(each.done() for each in self._asked.values()):
            return
        asked, self._asked = self._asked, None
        self._look_at = now + (TOPICS_SECONDS if self._shapes else RETRY_SECONDS)
        try:
            found = {name: future.result() for name, future in asked.items()}
        except (KafkaException, TimeoutError) as error:
            names = ", ".join(self._topics)
            log.warning("%s: the brokers don't say what there is of %s (%r); asked again", self._name, names, error)
            return
        self._look_at = now + TOPICS_SECONDS
        shapes = {name: _Shape(str(each.topic_id), len(each.partitions)) for name, each in found.items()}
        if shapes == self._shapes:
            return
        if self.loaded:
            log.warning("%s: its reference topics are not as they were; read from the beginning", self._name)
        self._begin(shapes)

    def _begin(self, shapes: Mapping[str, _Shape]) -> None:
        if self._consumer is None:
            self._consumer = Consumer(
                {**self._client, **CONSUMER, "group.id": self._name, "enable.partition.eof": True}
            )
        self._shapes = shapes
        self._unfinished = Latest(self._reads)
        self._open_ends = {(name, number) for name, shape in shapes.items() for number in range(shape.partitions)}
        self._pending.clear()
        self._read = 0
        self._consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in sorted(self._open_ends)])

    def _take_in(self, consumer: Consumer, now: float) -> None:
        if not self._pending:
            self._pending.extend(fetched(consumer, MOST_RECORDS, 0))
        try:
            while self._pending:
                self._meet(self._pending[0])
                self._pending.popleft()
        except RegistryError as error:
            # No record is at fault: what is behind it waits, too, so that each key ends with its last.
            log.warning("%s: what its reference topics say can't be read (%s); tried again", self._name, error)
            self._read_at = now + RETRY_SECONDS

    def _meet(self, record: Fetched) -> None:
        error = record.error()
        if error is None:
            self._learn(record)
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes begin so
            self._ended(record.topic(), record.partition())
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            # Our position is not on the topic any more: it is read anew.
            self._shapes, self._look_at = {}, 0.0
        else:
            complain(record, error)

    def _learn(self, record: Fetched) -> None:
        raw_key, value = record.key() or b"", record.value()
        kind = self._codec.type_of(value)
        if isinstance(kind, Undecodable):
            message: Message | Undecodable | None = None if kind.reason is Reason.NO_VALUE else kind
        else:
            message = self._codec.decode(value) if kind in self._reads else None
        self._read += 1
        try:
            key = raw_key.decode()
        except UnicodeDecodeError:
            message = Undecodable(Reason.INVALID, "its key is not UTF-8")
        if isinstance(message, Undecodable):
            # It is nobody's input, so it is nobody's dead letter; and what is not understood takes nothing back.
            self._counters.unreadable_references[record.topic()] += 1
            log.warning(
                "%s[%s]@%s can't be read, and %r keeps what it had before: %s",
                *(record.topic(), record.partition(), record.offset(), raw_key, message),
            )
            return
        (self._unfinished or self._latest).learn(self._topics[record.topic()], key, message)

    def _ended(self, topic: str, partition: int) -> None:
        """All that there was of a partition has been read."""
        self._open_ends.discard((topic, partition))
        if self._unfinished is None or self._open_ends:
            return
        self._latest, self._unfinished = self._unfinished, None
        self.loaded = True
        held = ", ".join(f"{size} keys of {name}" for name, size in self.sizes().items())
        log.info("%s: its reference data are there: %s, after %s records", self._name, held, self._read)
