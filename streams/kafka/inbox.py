"""What was read for a service and is not decided yet, and where its inputs are read on."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import TopicPartition

from streams.kafka.fetched import Fetched
from streams.kafka.inputs import Inputs, Share
from streams.kafka.owner import Owner


class Inbox:
    """For one service on the data thread."""

    def __init__(self, inputs: Inputs[Any], reader: Any, own: str) -> None:
        """`reader`: who it is to the inputs. `own`: the service's own topic."""
        self._inputs = inputs
        self._reader = reader
        self._own = own
        #: By partition, then by topic.
        self._left: dict[int, dict[str, list[Fetched]]] = {}
        #: Where to go on once that is handed over, while nothing is read for us.
        self._aside: list[TopicPartition] = []
        #: By partition, up to where our own topic is fetched: what a former life has told itself.
        self._untold: dict[int, int] = {}

    @property
    def full(self) -> bool:
        """Whether something is left while more is read."""
        return bool(self._left) and not self._aside

    def begin(self, number: int, places: Mapping[str, TopicPartition], low: int, high: int) -> None:
        """Read a partition on from there; of its own topic, which goes from `low` to `high`, what lies there now."""
        wanted = [place for topic, place in places.items() if topic != self._own]
        if max(low, places[self._own].offset) < high:
            wanted.append(places[self._own])
            self._untold[number] = high
        self.go_on(*wanted)

    def go_on(self, *places: TopicPartition) -> None:
        if self._aside:
            self._aside += places
        else:
            self._inputs.add(self._reader, places)

    def end(self, number: int) -> None:
        """Forget a partition."""
        self._left.pop(number, None)
        self._untold.pop(number, None)
        self._aside = [place for place in self._aside if place.partition != number]
        self._inputs.remove(self._reader, number)

    def clear(self) -> None:
        """Forget all of them."""
        self._left.clear()
        self._untold.clear()
        self._aside.clear()
        self._inputs.remove(self._reader)

    def take(self, share: Share) -> int:
        """How many records it is."""
        count = 0
        for number, by_topic in share.records.items():
            count += sum(map(len, by_topic.values()))
            self._left.setdefault(number, {}).update(by_topic)
            if (told := by_topic.get(self._own)) and told[-1].offset() + 1 >= self._untold[number]:
                del self._untold[number]
                self._inputs.remove(self._reader, number, self._own)
        return count

    def tell(self, number: int, record: Fetched) -> bool:
        """A record of the own topic that is acknowledged; False where it will be fetched, behind what was there."""
        if number in self._untold:
            self._untold[number] = record.offset() + 1
            return False
        self._left.setdefault(number, {}).setdefault(self._own, []).append(record)
        return True

    def lag(self, number: int) -> int:
        """How many records of a partition are still to be read, as far as is known."""
        return self._inputs.lag(self._reader, number)

    def step_aside(self) -> None:
        """Have nothing more read before all is handed over."""
        self._aside = self._inputs.remove(self._reader)

    def hand_over(self, owners: Mapping[int, Owner[Any]], now: int) -> None:
        """Have the owners decide what they have room for."""
        for number in list(self._left):
            owner = owners.get(number)
            if owner is None:  # its life is over, and the next one reads it again
                del self._left[number]
            elif owner.room:
                owner.take(self._left.pop(number), now)
        if self._aside and not self._left:
            self._inputs.add(self._reader, self._aside)
            self._aside = []
