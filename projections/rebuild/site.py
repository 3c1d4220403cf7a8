"""What a rebuild stands on: names, connections, and the topics as it reads them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from psycopg import Connection
from psycopg.errors import LockNotAvailable, UndefinedTable
from psycopg.sql import Identifier

from projections import database, queries
from projections.database import DatabaseError
from projections.models import MODELS
from projections.models.model import ReadModel
from streams.codec import Codec
from streams.kafka.fetched import Fetched

STATEMENTS = queries.load("rebuild")

Spot = tuple[str, int]
_MOST_REFUSALS = 20
#: The server takes a moment to notice that whoever was before is gone.
ALONE_SECONDS = 2


class RebuildError(DatabaseError):
    """A read model can't be rebuilt, or not be swapped."""


class Mark(NamedTuple):
    """How far a partition has been applied."""

    topic: str
    partition: int
    topic_id: str
    generation: int
    next_offset: int

    @property
    def spot(self) -> Spot:
        return self.topic, self.partition


@dataclass(slots=True)
class Refusals:
    """Records that say nothing anybody could apply: dead letters already, or only by the code of now."""

    count: int = 0
    #: Of them, where and why.
    first: list[str] = field(default_factory=list)

    def add(self, topic: str, record: Fetched, cause: str) -> None:
        self.take(Refusals(1, [f"{topic}-{record.partition()}@{record.offset()}: {cause}"]))

    def take(self, other: "Refusals") -> None:
        self.count += other.count
        self.first += other.first[: _MOST_REFUSALS - len(self.first)]


class Log(Protocol):
    """The topics."""

    def ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Of each, what tells it from one of the same name that was deleted."""

    def bounds(self, spots: Iterable[Spot]) -> dict[Spot, tuple[int, int]]:
        """Of each, the first offset that is still there, and the one that comes next."""

    def between(self, bounds: Mapping[Spot, tuple[int, int]]) -> Iterator[list[Fetched]]:
        """From the first of two offsets to before the second, each partition in its order."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a model is rebuilt. It goes to other processes, unless its log can't."""

    dsn: str
    #: The read model, and its schema.
    live: str
    opened: Callable[[], AbstractContextManager[tuple[Log, Codec]]]

    @property
    def model(self) -> ReadModel:
        """By its name: a copy from another process would have tables that its rules don't know."""
        return next(model for model in MODELS if model.name == self.live)

    @property
    def next(self) -> str:
        return f"{self.live}_next"

    @property
    def previous(self) -> str:
        return f"{self.live}_previous"

    def connected(self) -> Connection:
        """For what takes longer than a projector's batch."""
        connection = database.opened(self.dsn)
        connection.execute(STATEMENTS["patience"])
        return connection

    def alone(self) -> Connection:
        """While it is open, nobody else rebuilds this model or brings it back."""
        connection = self.connected()
        try:
            with connection.transaction():
                connection.execute(STATEMENTS["limits"], {"lock": f"{ALONE_SECONDS}s", "hold": "0"})
                connection.execute(STATEMENTS["alone"], {"model": self.live})
        except LockNotAvailable as error:
            connection.close()
            raise RebuildError(
                f"somebody else rebuilds {self.live}, or brings it back, at this moment: let them end, or stop them"
            ) from error
        return connection


def marks_of(connection: Connection, schema: str) -> dict[Spot, Mark]:
    try:
        found = [Mark(*row) for row in connection.execute(STATEMENTS["marks"].format(schema=Identifier(schema)))]
    except UndefinedTable as error:
        raise RebuildError(f"there is no read model {schema} here: `orderflow database migrate`") from error
    return {mark.spot: mark for mark in found}


def is_there(connection: Connection, schema: str) -> bool:
    return connection.execute(STATEMENTS["there"], {"schema": schema}).fetchone() == (True,)
