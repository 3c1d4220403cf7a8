"""Batches into PostgreSQL: rows, and how far their partition is, in one transaction or not at all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import Connection, DataError, Error, IntegrityError
from psycopg.sql import Identifier

from projections import database, queries
from projections.database import DatabaseAwayError, DatabaseError
from projections.models.model import ReadModel, Rows, Table
from projections.upsert import Upsert

_SQL = queries.load("progress")
#: What PostgreSQL has against values. All else is about the server, or about a table as a whole.
_UNWRITABLE = (DataError, IntegrityError)


class UnwritableError(DatabaseError):
    """PostgreSQL will never take these rows; what they were made of is to blame."""


class FencedError(DatabaseError):
    """Somebody else has the partition, or has had it meanwhile: nothing was written."""


@dataclass(slots=True)
class Owned:
    """One partition of one topic, as its owner found it."""

    topic: str
    partition: int
    topic_id: str
    #: What is applied next.
    next_offset: int
    epoch: int
    generation: int


class Begun:
    """A transaction that is fenced, and has advanced already."""

    def __init__(self, model: ReadModel, upserts: Mapping[Table, Upsert], connection: Connection) -> None:
        self._model = model
        self._upserts = upserts
        self._connection = connection

    def write(self, rows: Rows) -> int:
        """How many rows are new or other than before."""
        changed = 0
        with self._connection.cursor() as cursor:
            for table, merged in rows:
                self._upserts[table].copy(cursor, merged)
                changed += self._upserts[table].merge(cursor)
        return changed

    def refusal(self, rows: Rows) -> str | None:
        """Write these, or say what PostgreSQL has against them: then none of them is there, and the rest stays."""
        try:
            with self._connection.transaction():
                self.write(rows)
                for table, _ in rows:
                    self._connection.execute(self._upserts[table].clear)
        except _UNWRITABLE as error:
            return f"{self._model.name}: {_told(error)}"
        return None


class Store:
    """Of one read model. It connects when it is needed, and anew after whatever went wrong with a connection."""

    def __init__(self, dsn: str, model: ReadModel, schema: str | None = None) -> None:
        """`schema`: another one than the model's own, with the same tables."""
        self._dsn = dsn
        self._model = model
        self._schema = schema or model.name
        self._upserts = {table: Upsert(table) for table in model.tables}
        self._connection: Connection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def take(self, topic: str, partition: int, topic_id: str) -> Owned:
        """Own a partition from now on: whoever had it can't commit any more. Raises DatabaseAwayError."""
        asked = {"topic": topic, "partition": partition, "topic_id": topic_id}
        with self._transaction() as connection:
            [found] = connection.execute(_SQL["take"], asked)
        return Owned(topic, partition, topic_id, *found)

    def write(self, owned: Owned, rows: Rows, next_offset: int) -> int:
        """All of a batch that begins where the last one ended; how many rows are new or other than before.

        Raises FencedError, UnwritableError, or DatabaseAwayError: then nothing of it is there, and it may be repeated.
        The one exception is a connection that breaks at the commit: whoever repeats it is told FencedError if it had
        come through.
        """
        with self.begun(owned, next_offset) as batch:
            return batch.write(rows)

    @contextmanager
    def begun(self, owned: Owned, next_offset: int) -> Iterator["Begun"]:
        """A batch that is written piece by piece, and is there whole or not at all; see `write`."""
        where = {"topic": owned.topic, "partition": owned.partition, "epoch": owned.epoch, "first": owned.next_offset}
        with self._transaction() as connection:
            # First, so that a batch of somebody who is fenced costs nothing, and who is to fence us waits for its end.
            if connection.execute(_SQL["advance"], where | {"next_offset": next_offset}).rowcount != 1:
                raise FencedError(
                    f"{self._model.name}: {owned.topic}[{owned.partition}] is not at {owned.next_offset} in our epoch "
                    f"{owned.epoch} any more"
                )
            yield Begun(self._model, self._upserts, connection)
        owned.next_offset = next_offset

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            connection = self._connected()
            with connection.transaction():
                connection.execute(_SQL["lock"], {"model": self._schema})
                connection.execute(_SQL["enter"].format(schema=Identifier(self._schema)))
                yield connection
        except _UNWRITABLE as error:
            raise UnwritableError(f"{self._model.name}: {_told(error)}") from error
        except Error as error:
            # All else passes, or is mended by people: a server that restarts, a full disk, a deadlock, a missing table.
            self._leave_broken()
            raise DatabaseAwayError(f"{self._model.name}: {_told(error)}") from error

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = database.opened(self._dsn)
            # Plans are made anew each time: after a rebuild's swap, the names in them mean other tables.
            connection.prepare_threshold = None
            for upsert in self._upserts.values():
                connection.execute(upsert.stage)
            self._connection = connection
        return self._connection

    def _leave_broken(self) -> None:
        if self._connection is not None and self._connection.closed:
            self._connection = None


def _told(error: Error) -> str:
    return f"{error.sqlstate or 'no connection'} {type(error).__name__}: {str(error).partition(chr(10))[0]}"
