"""Which topics a service began with, by their ids, and whether they are still those.

A topic that was deleted and made again has the old one's name: offsets, and what was decided behind them, mean nothing
for it. So the ids stand beside every committed offset, and whoever reads on looks at them.
"""

import logging
import time
from collections.abc import Collection, Generator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from streams.kafka.clients import ANSWER_SECONDS, PlaneError, bounds, ends
from streams.kafka.group import Committed, Group, Place, Position

log = logging.getLogger(__name__)

#: Between two looks.
TOPICS_SECONDS = 30.0
#: After a question that nobody answered.
RETRY_SECONDS = 1.0


class GoneError(PlaneError):
    """A topic that was there."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"{topic} is gone; restore it: nothing goes on without it")
        self.topic = topic


class Sight(NamedTuple):
    """What one look found."""

    #: By partition: where the changelog ends.
    ends: dict[int, int]
    #: Inputs are others than before.
    anew: bool


class Watch:
    """For one service on the data thread."""

    def __init__(self, group: Group, admin: AdminClient) -> None:
        self._group = group
        self._admin = admin
        #: By name; none before they are learnt.
        self.ids: dict[str, str] = {}
        self._look_at = 0.0
        self._looking: Generator[None, None, Sight] | None = None
        #: By partition: what the group has committed, as soon as it is answered.
        self._asking: dict[int, Future[Mapping[Place, Position]]] = {}
        self._ask_at = 0.0

    def learn(self) -> None:
        """Ask for the ids, unless they are known. Raises KafkaException or TimeoutError where no broker answers."""
        self.ids = self.ids or self._said(self._asked())
        self._look_at = time.monotonic() + TOPICS_SECONDS

    def forget(self) -> None:
        """A topic may be another one when they are asked for next."""
        self.ids = {}
        self._looking = None
        self._asking.clear()

    def hurry(self) -> None:
        """Something is strange about a topic: look at once."""
        self._look_at = 0.0
        self._looking = None

    def look(self, now: float, owned: Collection[int]) -> Sight | None:
        """None where it is not time yet, the brokers are still asked, or none answers.

        It never waits, for others are served meanwhile. Raises PlaneError where nothing can go on.
        """
        if self._looking is None:
            if now < self._look_at or not owned:
                return None
            self._look_at = now + TOPICS_SECONDS
            self._looking = self._look(list(owned))
        name = self._group.name
        try:
            next(self._looking)
        except StopIteration as seen:
            self._looking = None
            sight: Sight = seen.value
            return sight
        except GoneError as error:
            self._looking = None
            if error.topic == self._group.changelog:
                raise
            log.warning("%s: %s", name, error)
        except (KafkaException, TimeoutError) as error:
            self._looking = None
            log.warning("%s: the brokers don't say how its topics are (%r)", name, error)
        return None

    def bounds(self, place: TopicPartition) -> tuple[int, int]:
        """Where a partition begins and ends. Raises KafkaException or TimeoutError where no broker says it."""
        return bounds(self._admin, place)

    def position(self, topic: str, offset: int) -> Position:
        """To be committed."""
        return Position(offset, f"{self.ids[topic]} {self.ids[self._group.changelog]}")

    def places(self, number: int, committed: Committed) -> dict[str, TopicPartition] | None:
        """By topic, where to read on: from what the group has committed for these very topics.

        None where that is still asked; it never waits, for others are served meanwhile.
        """
        if number not in self._asking:
            if time.monotonic() < self._ask_at:
                return None
            self._asking[number] = committed([(topic, number) for topic in sorted(self._group.inputs)])
        if not self._asking[number].done():
            return None
        try:
            found = self._asking.pop(number).result()
        # Also of who has no coordinator any more: then the assignment is about to be another one.
        except (Exception, CancelledError) as error:  # noqa: BLE001 - aiokafka's failures are an open set
            self._ask_at = time.monotonic() + RETRY_SECONDS
            log.warning("%s[%s]: where to read on is not known (%r); asked again", self._group.name, number, error)
            return None
        return {topic: self._place(topic, number, found.get((topic, number))) for topic in self._group.inputs}

    def _place(self, topic: str, number: int, position: Position | None) -> TopicPartition:
        if position is None:
            return TopicPartition(topic, number, OFFSET_BEGINNING)
        known, _, changelog = position.metadata.partition("\0")[0].partition(" ")
        if changelog not in ("", self.ids[self._group.changelog]):
            raise PlaneError(
                f"{self._group.changelog}: it was deleted and made again since {topic}[{number}] was "
                f"committed at {position.offset}, so nobody knows what was decided before. Restore the topic; or, to "
                f"accept the loss, stop all workers and reset the offsets of {self._group.name} "
                "(kafka-consumer-groups --reset-offsets) to decide again what its inputs still have"
            )
        ours = known in ("", self.ids[topic])
        return TopicPartition(topic, number, position.offset if ours else OFFSET_BEGINNING)

    def _look(self, owned: Collection[int]) -> Generator[None, None, Sight]:
        name, changelog = self._group.name, self._group.changelog
        asked = self._asked()
        while not all(each.done() for each in asked.values()):
            yield
        ids = self._said(asked)
        # Before their ends are asked for, which a client may refuse to do of a topic that is another one by now.
        if ids[changelog] != self.ids[changelog]:
            raise PlaneError(f"{changelog} was deleted and made again while its state was in use")
        found = ends(self._admin, [TopicPartition(changelog, number) for number in owned])
        while not all(each.done() for each in found.values()):
            yield
        changed = [topic for topic in self._group.inputs if ids[topic] != self.ids[topic]]
        if changed:
            log.warning("%s: %s made anew; read from the beginning", name, ", ".join(changed))
        self.ids = ids
        return Sight({place.partition: each.result().offset for place, each in found.items()}, anew=bool(changed))

    def _asked(self) -> "dict[str, Future[Any]]":
        names = TopicCollection([*self._group.inputs, self._group.changelog])
        asked: dict[str, Future[Any]] = self._admin.describe_topics(names, request_timeout=ANSWER_SECONDS)
        return asked

    def _said(self, asked: "dict[str, Future[Any]]") -> dict[str, str]:
        """Raises PlaneError if they are not as many partitions as they were."""
        ids = {}
        for name, future in asked.items():
            try:
                found = future.result(ANSWER_SECONDS)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise GoneError(name) from error
                raise
            if len(found.partitions) != self._group.partitions:
                raise PlaneError(
                    f"{name} has {len(found.partitions)} partitions now, but {self._group.name} divides its state by "
                    f"{self._group.partitions}: keys would meet another key's state. Restore the topic"
                )
            ids[name] = str(found.topic_id)
        return ids
