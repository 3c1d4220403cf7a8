"""What the services of a process read: each partition of a topic is fetched once, for all that read it.

Where one is far behind the others it is read for on its own, so that nobody waits for what he has had already.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from streams.kafka.clients import CONSUMER, fetched
from streams.kafka.fetched import Fetched
from streams.kafka.group import Place

#: Whoever reads, as a key.
R = TypeVar("R")

#: Records that may be fetched again for the sake of one fetcher less.
NEAR = 2_000
#: All wait in one queue: what is fetched ahead for who has much to read, the others wait behind.
_AHEAD = {"queued.min.messages": 2_000, "fetch.message.max.bytes": 2**18}
#: How long one fetcher is waited for where there are several.
PATIENCE_SECONDS = 0.005


class Share(NamedTuple):
    """Of one read, what is for one reader."""

    #: By partition, then by topic.
    records: dict[int, dict[str, list[Fetched]]]
    #: In the place of records: what went wrong.
    errors: list[Fetched]


@dataclass(slots=True)
class _Fetcher(Generic[R]):
    consumer: Consumer
    #: Where each reader of a place goes on: what was fetched again for others is left out.
    readers: dict[Place, dict[R, int]] = field(default_factory=dict)
    #: Where the consumer goes on.
    at: dict[Place, int] = field(default_factory=dict)

    def suits(self, place: Place, offset: int) -> bool:
        return place not in self.at or abs(self.at[place] - offset) <= NEAR


class Inputs(Generic[R]):
    """For the data thread."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        # The group stands for nothing: who reads what is said from without, and nothing is committed here.
        self._settings = {**client, **CONSUMER, **_AHEAD, "group.id": "orderflow"}
        self._fetchers: list[_Fetcher[R]] = [_Fetcher(Consumer(self._settings))]

    def close(self) -> None:
        for fetcher in self._fetchers:
            fetcher.consumer.close()

    def add(self, reader: R, places: Iterable[TopicPartition]) -> None:
        """Read these from their offsets on."""
        for each in places:
            self._add(reader, (each.topic, each.partition), max(0, each.offset))

    def remove(self, reader: R, number: int | None = None, topic: str | None = None) -> list[TopicPartition]:
        """Read nothing more of a partition, or of any, of one topic, or of all; where to go on."""
        left = []
        for fetcher in self._fetchers:
            for place, readers in list(fetcher.readers.items()):
                if reader in readers and topic in (None, place[0]) and number in (None, place[1]):
                    left.append(TopicPartition(*place, readers.pop(reader)))
                    if not readers:
                        self._leave(fetcher, place)
        self._tidy()
        return left

    def read(self, most: int, seconds: float) -> dict[R, Share]:
        """What there is, after so long at most."""
        shares: dict[R, Share] = defaultdict(lambda: Share({}, []))
        first, *others = self._fetchers
        if others:
            seconds = min(seconds, PATIENCE_SECONDS)
        for fetcher in self._fetchers:
            records = fetched(fetcher.consumer, 1, seconds if fetcher is first else 0)
            if records:
                records += fetched(fetcher.consumer, most - 1, 0)
                self._divide(fetcher, records, shares)
        return shares

    def bring_together(self) -> None:
        """Whoever has caught up is read for with the others again."""
        first, *others = self._fetchers
        for fetcher in others:
            for place, readers in list(fetcher.readers.items()):
                if first.suits(place, fetcher.at[place]):
                    self._leave(fetcher, place)
                    for reader, offset in readers.items():
                        self._read_from(first, reader, place, offset)
        self._tidy()

    def lag(self, reader: R, number: int) -> int:
        """How many records of a partition are still to be read, as far as is known without asking."""
        lag = 0
        for fetcher in self._fetchers:
            for place, readers in fetcher.readers.items():
                if place[1] == number and reader in readers:
                    low, high = fetcher.consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
                    lag += max(0, high - max(low, readers[reader]))
        return lag

    def _add(self, reader: R, place: Place, offset: int) -> None:
        for fetcher in self._fetchers:
            if fetcher.suits(place, offset):
                break
        else:
            fetcher = _Fetcher(Consumer(self._settings))
            self._fetchers.append(fetcher)
        self._read_from(fetcher, reader, place, offset)

    def _read_from(self, fetcher: _Fetcher[R], reader: R, place: Place, offset: int) -> None:
        fetcher.readers.setdefault(place, {})[reader] = offset
        at = fetcher.at.get(place)
        if at is not None and at <= offset:
            return
        if at is not None:
            fetcher.consumer.incremental_unassign([TopicPartition(*place)])
        fetcher.at[place] = offset
        # Nothing is before 0, but there may be nothing at 0 any more.
        fetcher.consumer.incremental_assign([TopicPartition(*place, offset or OFFSET_BEGINNING)])

    def _leave(self, fetcher: _Fetcher[R], place: Place) -> None:
        fetcher.consumer.incremental_unassign([TopicPartition(*place)])
        del fetcher.readers[place], fetcher.at[place]

    def _tidy(self) -> None:
        """Close the fetchers that fetch nothing, but for the first."""
        for fetcher in self._fetchers[1:]:
            if not fetcher.at:
                fetcher.consumer.close()
                self._fetchers.remove(fetcher)

    def _divide(self, fetcher: _Fetcher[R], records: Sequence[Fetched], shares: dict[R, Share]) -> None:
        by_place: dict[Place, list[Fetched]] = {}
        for record in records:
            place = (record.topic(), record.partition())
            if (error := record.error()) is not None:
                for reader in self._concerned(fetcher, place, error):
                    shares[reader].errors.append(record)
            elif place in by_place:
                by_place[place].append(record)
            else:
                by_place[place] = [record]
        for place, each in by_place.items():
            if place not in fetcher.at:
                continue
            topic, number = place
            first, after = each[0].offset(), each[-1].offset() + 1
            fetcher.at[place] = after
            readers = fetcher.readers[place]
            for reader, offset in readers.items():
                new = each if offset <= first else [record for record in each if record.offset() >= offset]
                if new:
                    readers[reader] = after
                    shares[reader].records.setdefault(number, {})[topic] = new

    def _concerned(self, fetcher: _Fetcher[R], place: Place, error: KafkaError) -> set[R]:
        """Who has to hear of it."""
        readers = set(fetcher.readers.get(place, ()))
        if error.code() != KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's own codes begin so
            # What is about no place of theirs is about the consumer, and so about all.
            return readers or set(chain.from_iterable(fetcher.readers.values()))
        if readers:
            # Nothing more is fetched there before they have said where to go on.
            self._leave(fetcher, place)
        return readers
