"""What a fold is: objects that events make, one event at a time, and the rows that the tables must hold for them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from schemas.message import Message
from schemas.topics import Topic

T = TypeVar("T")

#: More records than a partition ever has.
_GENERATION = 2**40


class Place(NamedTuple):
    """Where a record lies, and when it came there."""

    topic: str
    partition: int
    offset: int
    #: Its time, in millis.
    at: int
    #: How often its topic had been made anew.
    generation: int = 0

    @property
    def version(self) -> int:
        """Of the rows that it is the last to change."""
        return self.generation * _GENERATION + self.offset + 1

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}@{self.offset}"


class Row(NamedTuple):
    """Of one table, in the order of its columns: ids as texts, times in millis."""

    table: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a read model, as far as it is compared."""

    name: str
    #: So many of these, at the front, tell a row from all others.
    columns: tuple[str, ...]
    keys: int
    #: The column that holds the key of the records that its rows come from.
    by: str

    def key_of(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return values[: self.keys]


@dataclass(frozen=True, slots=True)
class Fold(Generic[T]):
    """Of one kind of object. Everything in here is pure."""

    #: What it is made of. Other messages of its topics say nothing of it.
    messages: tuple[type[Message], ...]
    #: Which object a message is about.
    subject: Callable[[Any], str]
    #: From what is known to what is known then.
    fold: Callable[[T | None, Any, Place], T]
    rows: Callable[[T], Iterable[Row]]


@dataclass(frozen=True, slots=True)
class Model:
    """A read model: what is folded, and the tables that must show it."""

    name: str
    tables: tuple[Table, ...]
    folds: tuple[Fold[Any], ...]

    @property
    def topics(self) -> tuple[Topic, ...]:
        messages = (message for fold in self.folds for message in fold.messages)
        return tuple(dict.fromkeys(topic for each in messages if (topic := each.contract.topic) is not None))


def latest(said: T | None, known: T | None) -> T | None:
    """What an event leaves out it says nothing of."""
    return known if said is None else said
