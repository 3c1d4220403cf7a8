"""Which topics a service began with, by their ids, and whether they are still those.

A topic that was deleted and made again has the old one's name: offsets, and what was decided behind them, mean nothing
for it. So the ids stand beside every committed offset, and whoever reads on looks at them.
"""

import logging
import time
from collections.abc import Collection
from typing import NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from streams.kafka.clients import ANSWER_SECONDS, PlaneError
from streams.kafka.group import Group, Position

log = logging.getLogger(__name__)

#: Between two looks.
TOPICS_SECONDS = 30.0


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
    """For the data thread of one service."""

    def __init__(self, group: Group, inputs: Consumer, admin: AdminClient) -> None:
        self._group = group
        self._inputs = inputs
        self._admin = admin
        #: By name; none before they are learnt.
        self.ids: dict[str, str] = {}
        self._look_at = 0.0

    def learn(self) -> None:
        """Ask for the ids, unless they are known. Raises KafkaException or TimeoutError where no broker answers."""
        self.ids = self.ids or self._asked()
        self._look_at = time.monotonic() + TOPICS_SECONDS

    def forget(self) -> None:
        """A topic may be another one when they are asked for next."""
        self.ids = {}

    def hurry(self) -> None:
        """Something is strange about a topic: look at once."""
        self._look_at = 0.0

    def look(self, now: float, owned: Collection[int]) -> Sight | None:
        """None where it is not time yet, or no broker answers. Raises PlaneError where nothing can go on."""
        if now < self._look_at or not owned:
            return None
        self._look_at = now + TOPICS_SECONDS
        name, changelog = self._group.name, self._group.changelog
        try:
            ids = self._asked()
            # Before their ends are asked for, which a client may refuse to do of a topic that is another one by now.
            if ids[changelog] != self.ids[changelog]:
                raise PlaneError(f"{changelog} was deleted and made again while its state was in use")
            ends = {number: self._end(number) for number in owned}
        except GoneError as error:
            if error.topic == changelog:
                raise
            log.warning("%s: %s", name, error)
            return None
        except (KafkaException, TimeoutError) as error:
            log.warning("%s: the brokers don't say how its topics are (%r)", name, error)
            return None
        changed = [topic for topic in self._group.inputs if ids[topic] != self.ids[topic]]
        if changed:
            log.warning("%s: %s made anew; read from the beginning", name, ", ".join(changed))
        self.ids = ids
        return Sight(ends, anew=bool(changed))

    def position(self, topic: str, offset: int) -> Position:
        """To be committed."""
        return Position(offset, f"{self.ids[topic]} {self.ids[self._group.changelog]}")

    def places(self, number: int) -> list[TopicPartition]:
        """Where to read on: from what the group has committed for these very topics.

        Raises KafkaException or TimeoutError where no broker says it.
        """
        asked = [TopicPartition(topic, number) for topic in sorted(self._group.inputs)]
        places = []
        for place in self._committed(asked):
            if place.error is not None:
                raise KafkaException(place.error)
            known, _, changelog = (place.metadata or "").partition("\0")[0].partition(" ")
            if changelog not in ("", self.ids[self._group.changelog]):
                raise PlaneError(
                    f"{self._group.changelog}: it was deleted and made again since {place.topic}[{number}] was "
                    f"committed at {place.offset}, so nobody knows what was decided before. Restore the topic; or, to "
                    f"accept the loss, stop all workers and reset the offsets of {self._group.name} "
                    "(kafka-consumer-groups --reset-offsets) to decide again what its inputs still have"
                )
            ours = place.offset >= 0 and known in ("", self.ids[place.topic])
            places.append(TopicPartition(place.topic, number, place.offset if ours else OFFSET_BEGINNING))
        return places

    def _committed(self, places: list[TopicPartition]) -> list[TopicPartition]:
        """By the admin's client, which looks for the coordinator each time.

        A consumer goes on asking the one that it knows: where a broker had lost its session for a moment, it never
        got an answer again.
        """
        name = self._group.name
        asked = ConsumerGroupTopicPartitions(name, places)
        found = self._admin.list_consumer_group_offsets([asked], request_timeout=ANSWER_SECONDS)
        committed: list[TopicPartition] = found[name].result(ANSWER_SECONDS).topic_partitions
        return committed

    def _asked(self) -> dict[str, str]:
        """Raises PlaneError if they are not as many partitions as they were."""
        names = [*self._group.inputs, self._group.changelog]
        ids = {}
        for name, future in self._admin.describe_topics(TopicCollection(names), request_timeout=ANSWER_SECONDS).items():
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

    def _end(self, number: int) -> int:
        place = TopicPartition(self._group.changelog, number)
        end: int = self._inputs.get_watermark_offsets(place, timeout=ANSWER_SECONDS)[1]
        return end
