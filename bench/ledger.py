"""What was put in, and whether what came out is just that: looked up on the topics, by nobody's word.

The service under test counts what comes for a key and adds up what it carries (`tests/streams/kafka/counting.py`), so
the n-th output of a key is known beforehand. The changelog is folded here once more, by rules written down a second
time: an epoch that is older than the newest before it doesn't count, and what counts of a key never goes back.
"""

import time
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.orders import ConfirmOrder, OrderConfirmed
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PARTITIONS
from streams.changelog import Marker, Place, decode
from streams.codec import Codec
from streams.kafka.fetched import Fetched
from streams.kafka.topics import changelog_of, dead_letters_of, group_of, own_topic_of
from streams.service import Service
from streams.state import StateCodec
from streams.step import Entry
from tests.streams.kafka.counting import Count

#: Violations that are told one by one; a broken engine has many of the same kind.
_MOST_TOLD = 10
_READ_SECONDS = 30.0
_PAUSE_SECONDS = 0.2


@dataclass(slots=True)
class Findings:
    """What the topics say."""

    outputs: int = 0
    #: Outputs that came again, under the same id and with the same content.
    repeats: int = 0
    #: Changelog records of an owner that was not one any more.
    strangers: int = 0
    violations: int = 0
    told: list[str] = field(default_factory=list)

    def violated(self, key: str, expected: object, found: object) -> None:
        self.violations += 1
        if len(self.told) < _MOST_TOLD:
            self.told.append(f"{key}: expected {expected}, found {found}")


@dataclass(slots=True)
class _Heard:
    """The outputs of a key so far."""

    #: Of their decisions.
    turns: "array[int]" = field(default_factory=lambda: array("q"))
    confirmed_at: "array[int]" = field(default_factory=lambda: array("q"))


class Ledger:
    """The inputs of one run, as they were acknowledged."""

    def __init__(self, service: Service[Count, ConfirmOrder], environment: str, bootstrap: str, codec: Codec) -> None:
        self._service = service
        self._codec = codec
        self._bootstrap = bootstrap
        self.inputs = [ORDERS_COMMANDS.name(environment), own_topic_of(service.name, environment)]
        self._outputs = ORDERS_EVENTS.name(environment)
        self._dead_letters = dead_letters_of(service.name, environment)
        self._changelog = changelog_of(service.name, environment)
        self._group = group_of(service.name, environment)
        #: By key: the sums after each of its messages.
        self._totals: dict[str, array[int]] = defaultdict(lambda: array("q"))
        self._asking = self._consumer()

    def note(self, key: str, worth: int) -> None:
        totals = self._totals[key]
        totals.append((totals[-1] if totals else 0) + worth)

    def progress(self) -> tuple[int, int]:
        """How many inputs are committed, and how many there are."""
        places = [TopicPartition(topic, number) for topic in self.inputs for number in range(PARTITIONS)]
        deadline = time.monotonic() + _READ_SECONDS
        while True:
            try:
                committed = self._asking.committed(places, timeout=_READ_SECONDS)
                ends = [self._asking.get_watermark_offsets(place, timeout=_READ_SECONDS)[1] for place in places]
            except KafkaException:  # a broker that comes back says for a moment that it leads nothing
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return sum(max(place.offset, 0) for place in committed), sum(ends)

    def close(self) -> None:
        self._asking.close()

    def audit(self, findings: Findings) -> None:
        self._audit_outputs(findings)
        self._audit_changelog(findings)
        for letter in self._records(self._dead_letters):
            findings.violated(str(letter.key()), "no dead letter", letter.headers())

    def _audit_outputs(self, findings: Findings) -> None:
        heard: dict[str, _Heard] = {}
        for record in self._records(self._outputs):
            findings.outputs += 1
            message = self._codec.decode(record.value())
            if not isinstance(message, OrderConfirmed) or message.meta is None:
                findings.violated(str(record.key()), "an output with an envelope", message)
                continue
            key, totals = message.orderId, self._totals.get(message.orderId, ())
            turn, time = int(message.meta.messageId.split("/")[2]), message.confirmedAt
            number = int(message.confirmationNumber.removeprefix("ORD-"))
            known = heard.setdefault(key, _Heard())
            turns, times = known.turns, known.confirmed_at
            if number > len(totals) or message.total != totals[number - 1]:
                sums = "none" if number > len(totals) else f"sum {totals[number - 1]}"
                findings.violated(key, f"{sums} in output {number} of {len(totals)}", message.total)
            elif number > len(turns) + 1:
                findings.violated(key, f"output {len(turns) + 1} next", f"output {number}")
            elif number == len(turns) + 1:
                if turns and turn <= turns[-1]:
                    findings.violated(key, f"output {number} of a turn after {turns[-1]}", f"turn {turn}")
                turns.append(turn)
                times.append(time)
            elif (turns[number - 1], times[number - 1]) != (turn, time):
                findings.violated(key, f"output {number} as it came before", f"another: turn {turn}, time {time}")
            else:
                findings.repeats += 1
        for key, totals in self._totals.items():
            count = len(heard[key].turns) if key in heard else 0
            if count != len(totals):
                findings.violated(key, f"{len(totals)} outputs", count)

    def _audit_changelog(self, findings: Findings) -> None:
        codec = StateCodec(self._service)
        epochs: dict[int, int] = defaultdict(int)
        entries: dict[str, Entry[Count]] = {}
        for record in self._records(self._changelog):
            number, raw_key = record.partition(), record.key() or b""
            place = Place(self._changelog, number, record.offset(), raw_key)
            said = decode(place, record.value())
            if said is None:
                findings.violated(str(place), "no tombstone of a service that forgets nothing", "one")
            elif said.epoch < epochs[number]:
                findings.strangers += 1
            else:
                epochs[number] = said.epoch
                if not isinstance(said, Marker):
                    key = raw_key.decode()
                    entry = codec.decode(key, said.entry)
                    self._compare(findings, place, entries.get(key), entry)
                    entries[key] = entry
        for key, totals in self._totals.items():
            found = entries[key].state if key in entries else None
            if found != (expected := Count(len(totals), totals[-1])):
                findings.violated(key, f"{expected} in the table", found)

    def _compare(self, findings: Findings, place: Place, before: Entry[Count] | None, after: Entry[Count]) -> None:
        was, now = (before and before.state) or Count(), after.state or Count()
        totals = self._totals.get(place.key.decode(), ())
        turns, messages = after.version - before.version if before else 1, now.number - was.number
        if before is not None and (turns < messages or (turns > 0) != (messages > 0)):
            findings.violated(str(place), f"a turn for each message since {was} of turn {before.version}", after)
        elif now.number < was.number:
            findings.violated(str(place), f"no step back behind {was}", now)
        elif not 0 < now.number <= len(totals) or totals[now.number - 1] != now.total:
            findings.violated(str(place), f"a fold of the first of {len(totals)} messages", now)

    def _records(self, topic: str) -> Iterator[Fetched]:
        """All that are there now, partition by partition in order."""
        consumer = self._consumer()
        try:
            for number in range(PARTITIONS):
                place = TopicPartition(topic, number)
                low, high = consumer.get_watermark_offsets(place, timeout=_READ_SECONDS)
                consumer.assign([TopicPartition(topic, number, low)])
                while low < high:
                    # The first is waited for; to ask for many at once would be to wait for as many.
                    records = cast("list[Fetched]", consumer.consume(1, _READ_SECONDS) + consumer.consume(10_000, 0))
                    if not records or any(record.error() for record in records):
                        raise TimeoutError(f"{topic}[{number}] was read up to {low} of {high} only: {records}")
                    low = records[-1].offset() + 1
                    yield from (record for record in records if record.offset() < high)
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": self._group,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                # Brokers are killed here on purpose.
                "log_level": 0,
            }
        )
