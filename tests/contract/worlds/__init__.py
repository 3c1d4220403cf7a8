"""Where services live: the twin, or real Kafka. One suite asks both of the same things, in the words of `World`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from schemas.message import Message
from schemas.topics import Topic
from streams.effects import Perform, Policy
from streams.replay import MARK
from streams.service import Service

#: As a replay marks its copies: whatever it says, nobody decides on them.
MARKED = (MARK, b"{}")
NOBODY: Mapping[type, Any] = MappingProxyType({})


class Letter(NamedTuple):
    """A dead letter."""

    topic: str
    partition: int
    offset: int
    cause: str
    detail: str
    attempts: int


class World(Protocol):
    """Some services, begun with the first `run` or `until`, and a producer. A worker that crashed is started again."""

    @property
    def environment(self) -> str:
        """In the names of topics."""

    @property
    def now(self) -> int:
        """Millis."""

    def publish(self, *messages: Message) -> None:
        """As a producer does, in this order."""

    def copy(self, *messages: Message) -> None:
        """As a replay does, in this order."""

    def run(self) -> None:
        """Go on until nobody has anything to do, and nothing is due at any time to come."""

    def until(self, condition: Callable[[], bool]) -> None:
        """Go on until it holds, or fail; what is due later need not happen."""

    def crash(self, service: Service[Any, Any]) -> None:
        """Lose all of its processes at once."""

    def rewind(self, service: Service[Any, Any]) -> None:
        """Put its committed offsets back to where its inputs begin, as an operator can while it is stopped."""

    def join(self, service: Service[Any, Any], meanwhile: Callable[[], None]) -> None:
        """Start one more worker, which takes partitions from those that are there; call `meanwhile` until it has."""

    def leave(self, service: Service[Any, Any], meanwhile: Callable[[], None]) -> None:
        """Stop the worker that has been there for longest; call `meanwhile` until it has drained and is gone."""

    def messages(self, topic: Topic) -> list[Message]:
        """All that was ever published on it, partition by partition, repeats and all."""

    def states(self, service: Service[Any, Any]) -> dict[str, Any]: ...

    def dead_letters(self, service: Service[Any, Any]) -> list[Letter]: ...

    def crashes(self) -> int:
        """How many workers have reached the moment at which they were to die."""


class MakeWorld(Protocol):
    """Builds the world under test."""

    def __call__(
        self,
        *services: Service[Any, Any],
        dies_at: Any = None,
        perform: Mapping[type, Perform] = NOBODY,
        policies: Mapping[type, Policy] = NOBODY,
    ) -> World:
        """`dies_at`: the moment, in the world's own terms, at which the first worker of each service dies."""
