"""Reference data: of a compacted topic the latest message of each key, for deciders to look up.

A price list is no input: nothing is decided because a price changed, but what is decided depends on it. So whoever runs
a service holds such topics whole, and a decision sees what they say at its moment (docs/decisions/0007).
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from schemas.errors import OrderflowError
from schemas.message import Message
from schemas.topics import Topic

M = TypeVar("M", bound=Message)


class UndeclaredTableError(OrderflowError):
    """A decider asked for what its service doesn't read."""

    def __init__(self, kind: type[Message]) -> None:
        super().__init__(f"the service doesn't read {kind.__name__}: name it in the `reads` of its declaration")
        self.kind = kind


class Tables(Protocol):
    """What a decider sees of it."""

    def get(self, kind: type[M], key: str) -> M | None:
        """The latest of its key; None where there was none, or a tombstone took it back."""


class Latest:
    """What compaction would leave of some topics: of each key the last record, whatever its type."""

    def __init__(self, reads: Iterable[type[Message]]) -> None:
        self._by_kind: dict[type[Message], dict[str, Message]] = {}
        self._by_topic: dict[Topic, dict[str, Message]] = {}
        for kind in reads:
            topic = kind.contract.topic
            assert topic is not None  # noqa: S101 - a service's reads are checked when it is built
            self._by_kind[kind] = self._by_topic.setdefault(topic, {})

    def get(self, kind: type[M], key: str) -> M | None:
        try:
            found = self._by_kind[kind].get(key)
        except KeyError:
            raise UndeclaredTableError(kind) from None
        return found if isinstance(found, kind) else None

    def learn(self, topic: Topic, key: str, message: Message | None) -> None:
        """None, or a message that nobody here reads: the key has nothing any more."""
        if message is not None and type(message) in self._by_kind:
            self._by_topic[topic][key] = message
        else:
            self._by_topic[topic].pop(key, None)

    @property
    def topics(self) -> Iterable[Topic]:
        return self._by_topic.keys()

    @property
    def sizes(self) -> Mapping[Topic, int]:
        """How many keys each topic has now."""
        return {topic: len(kept) for topic, kept in self._by_topic.items()}
