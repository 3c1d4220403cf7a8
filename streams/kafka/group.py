"""What the control plane and the data plane of a service say to each other."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple, Protocol

#: Faust names a table's changelog `<group>-<table>-changelog`.
TABLE = "state"


@dataclass(frozen=True, slots=True)
class Group:
    """Whom we join and what we share there."""

    #: `<service>.<env>`: Faust's app id, Kafka's group id.
    name: str
    inputs: frozenset[str]
    #: Of each of its topics.
    partitions: int
    standbys: int = 0
    #: How long the group waits for a member that is not heard of.
    session_seconds: float = 10.0
    #: How long we look for a broker at the start.
    start_seconds: float = 10.0
    #: How long we remain without being a member before that is a failure.
    give_up_seconds: float = 600.0
    #: Whether partitions have state of ours, and with it a changelog.
    stateful: bool = True

    @property
    def changelog(self) -> str:
        return f"{self.name}-{TABLE}-changelog"

    @property
    def topics(self) -> frozenset[str]:
        """All that are divided among the members."""
        return self.inputs | {self.changelog} if self.stateful else self.inputs

    @property
    def leading(self) -> str:
        """The topic whose division is that of all."""
        return self.changelog if self.stateful else min(self.inputs)


class Position(NamedTuple):
    """What is committed for a partition: the next offset to read."""

    offset: int
    #: The ids of the topic and of the changelog: offsets of a deleted topic are not its successor's, and what was read
    #: before them is known to nobody if the changelog isn't the same.
    metadata: str


#: A topic and a partition's number.
Place = tuple[str, int]
#: Asks the group's coordinator, from any thread, what is committed; places that nobody committed are missing.
Committed = Callable[[Collection[Place]], "Future[Mapping[Place, Position]]"]


def nothing(_: Collection[Place]) -> "Future[Mapping[Place, Position]]":
    """Of a group that never committed anything, or of whoever doesn't ask."""
    answer: Future[Mapping[Place, Position]] = Future()
    answer.set_result({})
    return answer


class Assignment(NamedTuple):
    """Partition numbers: all input topics and the changelog are divided alike."""

    generation: int
    active: frozenset[int]
    standby: frozenset[int]
    committed: Committed = nothing


class DataPlane(Protocol):
    """What the control plane asks of the thread that reads, decides and writes."""

    def assign(self, assignment: Assignment) -> None:
        """Take these. On the loop of the control plane; returns at once."""

    async def revoke(self) -> None:
        """Stop taking and drain, within a bound; afterwards nothing is written."""

    def committable(self) -> Mapping[tuple[str, int], Position]:
        """What may be committed now: the latest positions, as often as it is asked."""

    def failure(self) -> BaseException | None:
        """Why the data thread ended or is stuck, if it is."""

    async def close(self) -> None:
        """End the thread."""
