"""A partitioned log in memory: Kafka's promises, and no more."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.message import Message
from streams.decision import Performed, Wake
from streams.partitioner import partition_of
from streams.replay import Header

#: None: a tombstone.
Said = Message | Wake | Performed[Any] | None


class Logged(NamedTuple):
    """A record; its offset is its place in the list."""

    key: str
    at: int
    message: Said
    headers: tuple[Header, ...] = ()


@dataclass(slots=True)
class Log:
    """Topic and partition -> records. Order holds within a partition and nowhere else."""

    partitions: int
    now: int = 0
    #: Where something was appended, since whoever wants to know has emptied it last.
    grown: set[tuple[str, int]] = field(default_factory=set)
    _records: dict[tuple[str, int], list[Logged]] = field(default_factory=lambda: defaultdict(list))
    _followers: dict[str, list[Callable[[str, Any], None]]] = field(default_factory=lambda: defaultdict(list))

    def __len__(self) -> int:
        return sum(map(len, self._records.values()))

    def partition_of(self, key: str) -> int:
        return partition_of(key.encode(), self.partitions)

    def append(self, topic: str, key: str, message: Said, headers: tuple[Header, ...] = ()) -> None:
        place = topic, self.partition_of(key)
        self._records[place].append(Logged(key, self.now, message, headers))
        self.grown.add(place)
        for follower in self._followers.get(topic, ()):
            follower(key, message)

    def follow(self, topic: str, follower: Callable[[str, Any], None]) -> None:
        """Hear of each record of a topic at once: its key, and what it says."""
        self._followers[topic].append(follower)

    def read(self, topic: str, partition: int) -> list[Logged]:
        """The live list: it grows as others append."""
        return self._records[topic, partition]

    def all(self, topic: str) -> list[Logged]:
        """Every record of a topic, partition by partition."""
        return [record for partition in range(self.partitions) for record in self.read(topic, partition)]
