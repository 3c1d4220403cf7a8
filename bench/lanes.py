"""Services at work without Kafka: of a worker everything but Faust, librdkafka and the calls to the outside.

Topics are lists, and what is written is acknowledged at once; owners, rounds, codecs and stores are the real ones.
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from agents.payments.gateway import Authorize, Authorized, Capture, Captured
from schemas.errors import OrderflowError
from schemas.topics import PARTITIONS
from streams.changelog import MARKER_KEY, encode
from streams.decision import Performed, Wake
from streams.kafka.counters import Counters
from streams.kafka.fetched import Headers
from streams.kafka.group import Group
from streams.kafka.lease import Lease
from streams.kafka.owner import Claim, Owner
from streams.kafka.replica import Replica
from streams.kafka.topics import group_of, own_topic_of
from streams.kafka.wire import Codecs, Wire
from streams.stores import Stores

Place = tuple[str, int]


class BenchError(OrderflowError):
    """There is nothing to report: something else was measured than what was asked for."""


class Record:
    """As librdkafka would hand it over."""

    __slots__ = ("_at", "_headers", "_key", "_offset", "_place", "_value")

    def __init__(
        self, place: Place, offset: int, key: bytes | None, value: bytes | None, headers: Headers | None, at: int
    ) -> None:
        self._place, self._offset, self._key, self._value, self._headers = place, offset, key, value, headers
        self._at = at

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> Headers | None:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 1, self._at

    def error(self) -> None:
        return None


class Broker:
    """As much of a producer as an owner needs. A record is kept until its readers took it, and no longer."""

    def __init__(self, now: int) -> None:
        """`now`: in millis; whoever publishes moves it on."""
        self.now = now
        self.ends: Counter[Place] = Counter()
        self._readers: defaultdict[Place, list[list[Record]]] = defaultdict(list)

    def reader(self, place: Place) -> list[Record]:
        """What comes there from now on, for its reader to take away."""
        inbox: list[Record] = []
        self._readers[place].append(inbox)
        return inbox

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        callback: Callable[[None, Record], None] | None = None,
        *,
        headers: Headers | None = None,
    ) -> None:
        place = topic, partition
        record = Record(place, self.ends[place], key, value, headers, self.now)
        self.ends[place] += 1
        for inbox in self._readers.get(place, ()):
            inbox.append(record)
        if callback is not None:
            callback(None, record)

    def produce_batch(self, topic: str, records: Sequence[dict[str, Any]], partition: int) -> int:
        for record in records:
            self.produce(topic, record["value"], record["key"], partition, record.get("callback"))
        return len(records)


class Lane:
    """A partition of a service, and its owner from life to life."""

    def __init__(self, codecs: Codecs, number: int, broker: Broker) -> None:
        service = codecs.service
        inputs = {topic.name(codecs.environment) for topic in service.topics} | {
            own_topic_of(service.name, codecs.environment)
        }
        self.number = number
        self.group = Group(group_of(service.name, codecs.environment), frozenset(inputs), PARTITIONS)
        self.owner: Owner[Any]
        self._codecs = codecs
        self._broker = broker
        self._inboxes = {topic: broker.reader((topic, number)) for topic in sorted(inputs)}
        self._lease = Lease(math.inf)
        self._lease.renew(self._lease.now())

    def begin(self, stores: Stores) -> None:
        """Claim what is in the store, and own it."""
        codecs, group, number, counters = self._codecs, self.group, self.number, Counters()
        store = stores.open(group.name, number)
        self._replica: Replica[Any] = Replica(
            codecs.states,
            store,
            service=codecs.service.name,
            changelog=group.changelog,
            topic_id=group.changelog,
            partition=number,
        )
        fold = self._replica.fold
        claim = fold.claim(1, {topic: (1, topic) for topic in group.inputs}, again=fold.epoch > 0)
        # All before it is in the store.
        place, offset = (group.changelog, number), self._replica.offset
        self._broker.ends[place] = offset + 1
        self._replica.read([Record(place, offset, MARKER_KEY, encode(claim), None, self._broker.now)])
        self.owner = Owner(
            codecs.service,
            Wire(codecs, number, PARTITIONS, {topic: topic for topic in group.inputs}, counters, suspects=frozenset()),
            self._replica,
            Claim(claim, offset),
            producer=self._broker,  # type: ignore[arg-type]  # as much of one as an owner needs
            lease=self._lease,
            counters=counters,
        )

    def turn(self) -> bool:
        """Do as a data thread does when it comes round; whether there was anything to do."""
        owner, broker = self.owner, self._broker
        read: dict[str, list[Record]] = {}
        for topic, inbox in self._inboxes.items():
            if inbox and owner.room:
                read[topic] = inbox.copy()
                inbox.clear()
        if read:
            owner.take(read, broker.now)
        owner.advance()
        if owner.over:
            raise BenchError(f"{self.group.name}[{self.number}]: an owner that is alone ended its life")
        for effect_id, (key, effect) in owner.asked.items():
            self._tell_itself(key, Performed(effect_id, _answer(effect)))
        owner.asked = {}
        for key, deadline in owner.partition.wakes.take(broker.now):
            self._tell_itself(key, Wake(deadline))
        owner.mark(time.monotonic())
        return bool(read) or not owner.idle

    def end(self) -> None:
        self._replica.close()

    def _tell_itself(self, key: str, what: Wake | Performed[Any]) -> None:
        own = own_topic_of(self._codecs.service.name, self._codecs.environment)
        self._broker.produce(own, self._codecs.own.encode(what), key.encode(), self.number)


def _answer(effect: Any) -> Any:
    """The gateway's, on a good day."""
    match effect:
        case Authorize():
            return Authorized(f"auth-{effect.payment_id}", "ok")
        case Capture():
            return Captured(effect.amount)
    raise BenchError(f"a checkout that succeeds asks for {effect}")
