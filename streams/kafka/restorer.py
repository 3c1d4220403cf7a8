"""Changelogs on their way into replicas: of partitions that are to be ours, and of those that we stand by for.

What is to be ours is read to its end, claimed there, and read up to our own claim; then it has an owner, who needs no
restorer until its life is over.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streams.changelog import MARKER_KEY, Marker, encode
from streams.kafka.clients import CONSUMER, PlaneError, complain, fetched
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.kafka.group import Assignment, Group
from streams.kafka.owner import Claim
from streams.kafka.replica import Replica
from streams.kafka.status import PartitionStatus
from streams.kafka.watch import GoneError, Watch
from streams.kafka.wire import Codecs
from streams.stores import Stores

log = logging.getLogger(__name__)

#: Records of one read.
MOST_RECORDS = 10_000
RETRY_SECONDS = 1.0
#: Between two words about a recovery that takes long.
PROGRESS_SECONDS = 5.0


@dataclass(slots=True)
class _Recovery:
    """A partition on its way to its owner."""

    replica: Replica[Any]
    began: float
    #: As many records as there seemed to be.
    wanted: int
    read_at_start: int
    #: The end of the changelog was seen.
    read: bool = False
    claim: Marker | None = None
    #: The offset of our claim, once it is acknowledged.
    claimed_at: int | None = None
    refused: KafkaError | None = None

    @property
    def restored(self) -> int:
        return self.replica.restored - self.read_at_start

    @property
    def claimed(self) -> Claim | None:
        """Ours, if it is read and nobody's with a higher epoch stands before it."""
        claim, offset, replica = self.claim, self.claimed_at, self.replica
        if claim is None or offset is None or replica.offset <= offset or replica.fold.epoch > claim.epoch:
            return None
        return Claim(claim, offset)


class Restorer:
    """For the data thread of one service."""

    def __init__(
        self, codecs: Codecs, group: Group, client: Mapping[str, Any], stores: Stores, watch: Watch, counters: Counters
    ) -> None:
        self._codecs = codecs
        self._group = group
        self._client = client
        self._stores = stores
        self._watch = watch
        self._counters = counters
        self.assignment: Assignment | None = None
        self._replicas: dict[int, Replica[Any]] = {}
        #: Partitions whose changelog is to be read from the store's end on, as soon as a broker says where it ends.
        self._unbegun: set[int] = set()
        self._recoveries: dict[int, _Recovery] = {}
        #: Partitions that the reader has.
        self._followed: set[int] = set()
        #: By partition, our last claim since it was assigned.
        self._epochs: dict[int, int] = {}
        self._reader: Consumer | None = None
        self._retry_at = self._tell_at = 0.0

    @property
    def reading(self) -> bool:
        return self._reader is not None

    @property
    def recovering(self) -> bool:
        return bool(self._recoveries)

    def assign(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self._unbegun = set(assignment.active | assignment.standby)
        self._epochs = {}
        self._retry_at = 0.0
        for number in self._replicas.keys() - self._unbegun:
            self._replicas.pop(number).close()

    def forget(self) -> None:
        """The assignment, and all that is on its way. The replicas may be of use with the next one."""
        self.assignment = None
        self._unbegun.clear()
        self._recoveries.clear()
        self._stop_reading()

    def close(self) -> None:
        for replica in self._replicas.values():
            replica.close()
        self._replicas.clear()
        self._stop_reading()

    def begin(self, now: float) -> None:
        """Start to read what is not begun. A broker that doesn't answer is asked again."""
        if not self._unbegun or now < self._retry_at:
            return
        try:
            self._watch.learn()
            if self._reader is None:
                settings = {"group.id": self._group.name, "enable.partition.eof": True}
                self._reader = Consumer({**self._client, **CONSUMER, **settings})
            for number in sorted(self._unbegun):
                self._follow(self._reader, number)
        except (KafkaException, TimeoutError, GoneError) as error:
            log.warning("%s: the brokers don't say what there is to restore (%r); asked again", self._group.name, error)
            self._retry_at = time.monotonic() + RETRY_SECONDS
        self._tell_at = time.monotonic() + PROGRESS_SECONDS

    def begin_again(self, number: int) -> None:
        """Its owner's life is over."""
        self._unbegun.add(number)

    def read(self) -> int:
        """Fold what the changelogs have; how many records that was."""
        if self._reader is None:
            return 0
        records = fetched(self._reader, MOST_RECORDS, 0)
        by_number: dict[int, list[Fetched]] = {}
        ended: list[int] = []
        for record in records:
            error = record.error()
            if error is None:
                by_number.setdefault(record.partition(), []).append(record)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes begin so
                ended.append(record.partition())
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
                raise PlaneError(f"{self._group.changelog}[{record.partition()}] lost records while it was read")
            else:
                complain(record, error)
        for number, each in by_number.items():
            if number in self._followed:  # else its owner knows better
                self._replicas[number].read(each)
                self._counters.restored += len(each)
        for number in ended:
            if number in self._recoveries:
                self._recoveries[number].read = True
        return len(records)

    def claimed(self, producer: Producer) -> list[tuple[Replica[Any], Claim]]:
        """Claim what is read, and tell what is ready for its owner. Only for who holds the lease."""
        for number, recovery in self._recoveries.items():
            if recovery.refused is not None:
                place = f"{self._group.changelog}[{number}]"
                raise PlaneError(f"{place} refuses our claim: {recovery.refused.str()}")
            if recovery.claim is None and recovery.read:
                self._claim(number, recovery, producer)
        recoveries = self._recoveries.values()
        return [(recovery.replica, claim) for recovery in recoveries if (claim := recovery.claimed) is not None]

    def hand_over(self, number: int) -> None:
        """It has an owner now."""
        recovery = self._recoveries.pop(number)
        seconds = time.monotonic() - recovery.began
        log.info("%s[%s]: ours after %s records in %.1f s", self._group.name, number, recovery.restored, seconds)
        self._followed.discard(number)
        if not self._followed and not self._unbegun:
            self._stop_reading()
        elif self._reader is not None:
            self._reader.incremental_unassign([TopicPartition(self._group.changelog, number)])

    def look_at(self, number: int) -> PartitionStatus:
        """How far it is, as of no owner's."""
        replica, recovery = self._replicas.get(number), self._recoveries.get(number)
        restored = recovery.restored if recovery else replica.restored if replica else 0
        eta = None
        if recovery is not None and restored:
            spent = time.monotonic() - recovery.began
            eta = max(0.0, (recovery.wanted - restored) * spent / restored)
        return PartitionStatus(
            partition=number,
            role="waiting" if number in self._unbegun else "recovering" if recovery else "standby",
            lag=0,
            restored=restored,
            to_restore=recovery.wanted if recovery else restored,
            eta_seconds=eta,
            parked=0,
        )

    def tell(self, now: float) -> None:
        """Of recoveries that take long."""
        if now < self._tell_at:
            return
        self._tell_at = now + PROGRESS_SECONDS
        for number in sorted(self._recoveries):
            at = self.look_at(number)
            left = "" if at.eta_seconds is None else f", about {at.eta_seconds:.0f} s to go"
            log.info(
                "%s[%s]: %s of %s changelog records restored%s",
                *(self._group.name, number, at.restored, at.to_restore, left),
            )

    def _follow(self, reader: Consumer, number: int) -> None:
        changelog = self._group.changelog
        topic_id = self._watch.ids[changelog]
        if (replica := self._replicas.get(number)) is None:
            replica = self._replicas[number] = Replica(
                self._codecs.states,
                self._stores.open(self._group.name, number),
                service=self._codecs.service.name,
                changelog=changelog,
                topic_id=topic_id,
                partition=number,
            )
        else:
            replica.begin(topic_id)
        if self.assignment is not None and number in self.assignment.active:
            self._recoveries[number] = self._new_recovery(replica)
        reader.incremental_assign([TopicPartition(changelog, number, replica.offset or OFFSET_BEGINNING)])
        self._followed.add(number)
        self._unbegun.discard(number)

    def _new_recovery(self, replica: Replica[Any]) -> _Recovery:
        place = TopicPartition(self._group.changelog, replica.partition)
        low, high = self._watch.bounds(place)
        if replica.offset > high:
            raise PlaneError(
                f"{place.topic}[{place.partition}] ends at {high}, but the local store was filled up to "
                f"{replica.offset}: the changelog lost records, and going on would take the state back. Restore the "
                f"topic; or accept what it has: orderflow state drop {self._codecs.service.name} --partition "
                f"{place.partition}"
            )
        return _Recovery(replica, time.monotonic(), high - max(low, replica.offset), replica.restored)

    def _claim(self, number: int, recovery: _Recovery, producer: Producer) -> None:
        """Say in the changelog that from here on the partition is ours."""
        fold, ids = recovery.replica.fold, self._watch.ids
        if fold.epoch > self._epochs.get(number, fold.epoch):
            # Whoever the group chose after us was faster. It will tell us, too; until then nothing is ours here.
            return
        topics: dict[str, tuple[int, str]] = {}
        for topic in self._group.inputs:
            count, known = fold.topics.get(topic, (1, ids[topic]))
            # Another topic under the same name: its offsets begin anew, and must not be taken for the old ones.
            topics[topic] = (count if known == ids[topic] else count + 1, ids[topic])
        claim = fold.claim(self.assignment.generation if self.assignment else 0, topics, again=number in self._epochs)
        recovery.claim, self._epochs[number] = claim, claim.epoch

        def acknowledged(error: KafkaError | None, record: Any) -> None:
            if error is not None:
                recovery.refused = error
            else:
                recovery.claimed_at = record.offset()

        producer.produce(self._group.changelog, encode(claim), MARKER_KEY, number, acknowledged)

    def _stop_reading(self) -> None:
        self._followed.clear()
        if self._reader is not None:
            self._reader.close()
            self._reader = None
