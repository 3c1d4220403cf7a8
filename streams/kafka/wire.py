"""Records of Kafka to arrivals, and outputs to records of Kafka: for one partition of one service."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, NamedTuple

from schemas.message import Message, Meta
from streams.changelog import MARKER_KEY, Output
from streams.cloudevents import headers_of, with_meta
from streams.codec import Codec, Reason, Undecodable
from streams.decision import Later
from streams.errors import RegistryError
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.kafka.topics import LARGEST_INTERNAL, dead_letters_of, own_topic_of
from streams.own import OwnCodec
from streams.partition import MOST_OWED
from streams.partitioner import partition_of
from streams.replay import is_copy
from streams.service import Service
from streams.state import StateCodec
from streams.step import Arrival, Entry, Envelope, Parked, Refusal
from streams.tracing import Tracer

log = logging.getLogger(__name__)

#: On a record that was found on a partition that is not its key's: where. It is moved once.
FORWARDED = "orderflow-forwarded-from"
#: On a dead letter, beside the headers of the record: what became of it, and where it came from.
DEAD_LETTER = "orderflow-dead-letter-"
#: Brokers refuse a larger record by default, on the topics of the contract.
LARGEST_RECORD = 1_000_000
#: Bytes of a changelog record's value, which leaves room for its key and framing; and of what one decision may make of
#: it, beside what the key owes already.
LARGEST_KEPT = LARGEST_INTERNAL - 2**17
_LARGEST_DECISION = LARGEST_KEPT - MOST_OWED


class TooLargeError(ValueError):
    """A decision that no broker would take."""


class Raw(NamedTuple):
    """A record as it lies on its topic, or waits in its key's state."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Codecs(NamedTuple):
    """What a service reads and writes by. One for all of its partitions."""

    service: Service[Any, Any]
    environment: str
    messages: Codec
    own: OwnCodec
    states: StateCodec[Any]
    #: Topics whose records also carry CloudEvents headers.
    cloudevents: frozenset[str] = frozenset()
    tracer: Tracer | None = None


class Wire:
    """The engine's way to and from Kafka."""

    def __init__(
        self,
        codecs: Codecs,
        partition: int,
        partitions: int,
        aliases: Mapping[str, str],
        counters: Counters,
        *,
        suspects: AbstractSet[str],
    ) -> None:
        """`aliases`: input topic -> what its offsets are noted under; another one once it was deleted and made anew.

        `suspects`: keys of which something could not be written before. Only these are checked: it costs.
        """
        self.follow = None if codecs.tracer is None else partial(self._follow, codecs.tracer)
        #: When the present decision began, where somebody follows.
        self._began_ns = 0
        self._suspects = suspects
        self._codecs = codecs
        self._service = codecs.service
        self._partition = partition
        self._partitions = partitions
        self._aliases = aliases
        self._names = {alias: topic for topic, alias in aliases.items()}
        self._counters = counters
        self._own = own_topic_of(codecs.service.name, codecs.environment)
        self._dead_letters = dead_letters_of(codecs.service.name, codecs.environment)
        self._consumes = frozenset(codecs.service.consumes)

    def arrivals(self, topic: str, records: Sequence[Fetched], moved: list[Output]) -> Iterator[Arrival]:
        """Those that the service consumes; what lies on the wrong partition is put into `moved` instead.

        Copies of a replay are left out, wherever their origin is: what was decided on them was said long ago.
        """
        alias, counters = self._aliases[topic], self._counters
        # Nearly none has headers, and to ask costs next to nothing. Before anything is decoded: there may be millions.
        fresh = [record for record in records if not ((headers := record.headers()) and is_copy(headers))]
        counters.replayed += len(records) - len(fresh)
        for record in fresh:
            raw_key, value, offset = record.key(), record.value(), record.offset()
            at = record.timestamp()[1]
            try:
                key = (raw_key or b"").decode()
            except UnicodeDecodeError:
                message: Any = Undecodable(Reason.INVALID, f"its key is not UTF-8: {raw_key!r}")
                yield Arrival(alias, offset, repr(raw_key), at, message, record)
                continue
            message = self._read(topic, value, key)
            if message is None:
                counters.skipped += 1
                continue
            if not key:
                message = Undecodable(Reason.INVALID, "it has no key, so it belongs to no state")
            elif raw_key == MARKER_KEY:
                message = Undecodable(Reason.INVALID, "its key is that of our markers, so it can have no state")
            elif partition_of(raw_key or b"", self._partitions) != self._partition:
                kept = tuple(record.headers() or ())
                if all(name != FORWARDED for name, _ in kept):
                    moved.append(self._forwarded(topic, record, kept))
                    continue
                message = Undecodable(
                    Reason.INVALID, "it lies on a partition that is not its key's, and was moved once"
                )
            elif isinstance(message, Message) and message.meta is None:
                message = with_meta(message, record.headers, topic, self._partition, offset)
            if self.follow is not None:
                self._began_ns = time.time_ns()
            yield Arrival(alias, offset, key, at, message, record)

    def output(self, message: Message, envelope: Envelope) -> Output:
        topic, key = message.contract.topic, message.record_key
        assert topic is not None  # noqa: S101 - a service's sends are checked when it is built
        assert key is not None  # noqa: S101 - `absorb` lets nothing else through
        raw_key, value = key.encode(), self._codecs.messages.encode(message, envelope)
        if len(value) > LARGEST_RECORD:
            raise TooLargeError(f"{type(message).__name__} of {key} takes {len(value)} bytes, more than a record may")
        headers: tuple[tuple[str, bytes | None], ...] = ()
        name = topic.name(self._codecs.environment)
        if name in self._codecs.cloudevents:
            addressed = message.model_copy(update={"meta": Meta.model_validate(envelope)})
            headers = tuple(headers_of(addressed, f"/orderflow/{self._service.name}", int(time.time() * 1000)))
        return Output(name, partition_of(raw_key, topic.partitions), raw_key, value, headers)

    def check(self, key: str, entry: Entry[Any] | None, outputs: tuple[Output, ...]) -> None:
        if key not in self._suspects:
            return
        kept = b"" if entry is None else self._codecs.states.encode(key, entry)
        size = len(kept) + sum(map(self.size, outputs))
        if size > _LARGEST_DECISION:
            raise TooLargeError(
                f"the state of {key} and the outputs of one decision take {size} bytes, more than the changelog keeps "
                "in a record: let its service keep less under one key"
            )

    def size(self, output: Output) -> int:
        return len(output.value or b"") + len(output.key or b"") + sum(len(value or b"") for _, value in output.headers)

    def partition_of(self, key: str) -> int:
        return partition_of(key.encode(), self._partitions)

    def dead_letter(self, arrival: Arrival, refusal: Refusal) -> Output:
        self._counters.dead_letter(refusal.cause)
        raw = _raw(arrival, self._names)
        message = arrival.message
        trace = message.meta.traceparent if isinstance(message, Message) and message.meta else None
        said = {
            "cause": refusal.cause,
            "detail": refusal.detail,
            "service": self._service.name,
            "topic": raw.topic,
            "partition": str(self._partition),
            "offset": str(raw.offset),
            "timestamp": str(arrival.at),
            "attempts": str(refusal.attempts),
            "trace": trace,
        }
        headers = tuple((DEAD_LETTER + name, text.encode()) for name, text in said.items() if text is not None)
        log.warning(
            "%s[%s]@%s of key %s is a dead letter: %s",
            *(raw.topic, self._partition, raw.offset, arrival.key, refusal.cause),
        )
        return Output(self._dead_letters, self._partition, raw.key, raw.value, raw.headers + headers)

    def parked(self, arrival: Arrival) -> Parked:
        self._counters.parked += 1
        raw = _raw(arrival, self._names)
        read = not isinstance(arrival.message, Later)
        return Parked(arrival.topic, arrival.offset, arrival.at, raw.value, raw.headers, read)

    def revived(self, key: str, parked: Parked) -> Arrival:
        topic = self._names.get(parked.topic, parked.topic)
        self._began_ns = time.time_ns()
        raw = Raw(topic, parked.offset, key.encode(), parked.value, parked.headers)
        message = self._read(topic, parked.value, key)
        if isinstance(message, Message) and message.meta is None:
            message = with_meta(message, lambda: parked.headers, topic, self._partition, parked.offset)
        elif message is None:
            message = Undecodable(Reason.FOREIGN_SCHEMA, f"{self._service.name} does not consume it any more")
        return Arrival(parked.topic, parked.offset, key, parked.at, message, raw)

    def _follow(
        self, tracer: Tracer, arrival: Arrival, version: int, trace: str | None, sends: tuple[Message, ...]
    ) -> str | None:
        return tracer.decided(
            self._service.name,
            type(arrival.message).__name__,
            key=arrival.key,
            version=version,
            traceparent=trace,
            start_ns=self._began_ns,
            end_ns=time.time_ns(),
            sends=[type(message).__name__ for message in sends],
        )

    def _read(self, topic: str, value: bytes | None, key: str) -> Any:
        """What the record says; None if it is of a type that the service doesn't consume."""
        if topic == self._own:
            return self._codecs.own.decode(value)
        try:
            kind = self._codecs.messages.type_of(value)
            if not isinstance(kind, Undecodable):
                return self._codecs.messages.decode(value, key) if kind in self._consumes else None
        except RegistryError as error:
            return Later(str(error))
        # On a compacted topic a tombstone says that a key is gone, which is no message to anybody.
        return None if kind.reason is Reason.NO_VALUE else kind

    def _forwarded(self, topic: str, record: Fetched, headers: tuple[tuple[str, bytes | None], ...]) -> Output:
        raw_key = record.key() or b""
        right = partition_of(raw_key, self._partitions)
        self._counters.forwarded[topic] += 1
        log.warning(
            "%s[%s]@%s: key %r belongs to partition %s, and is moved there; its producer doesn't use the partitioner "
            "murmur2 (docs/producing.md)",
            *(topic, self._partition, record.offset(), raw_key, right),
        )
        mark = (FORWARDED, f"{self._partition}@{record.offset()}".encode())
        return Output(topic, right, raw_key, record.value(), (*headers, mark))


def _raw(arrival: Arrival, names: Mapping[str, str]) -> Raw:
    record = arrival.raw
    if isinstance(record, Raw):
        return record
    topic = names.get(arrival.topic, arrival.topic)
    return Raw(topic, arrival.offset, record.key(), record.value(), tuple(record.headers() or ()))
