"""The tables against the log: whether each row is what a fold of the events makes of it, to the offset.

Rows and `progress` are read in one snapshot, and the topics up to exactly those offsets. Memory is bounded: keys are
cut into ranges, and the topics are read once for each; records of other keys are passed over unread.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from psycopg import Connection, IsolationLevel
from psycopg.conninfo import make_conninfo
from psycopg.errors import UndefinedTable
from psycopg.sql import SQL, Identifier

from projections import database, queries
from projections.database import DatabaseError
from projections.folds.fold import Fold, Model, Place, Row, Table
from projections.models import MODELS
from projections.models.model import Place as Applied
from projections.trial import Trial
from schemas.errors import OrderflowError
from schemas.message import Message
from schemas.topics import PARTITIONS
from streams.codec import Undecodable
from streams.partitioner import partition_of

_SQL = queries.load("verify")
#: Of one range of keys: objects of some kilobytes each are made of them.
RECORDS_AT_ONCE = 200_000
#: Rows that differ are explained one by one, and counted beyond that.
MOST_EXPLAINED = 20
#: Of each: what was said last of it.
_LAST_EVENTS = 5
_ROWS_AT_ONCE = 2_000
_KEYS = 2**128


class VerifyError(OrderflowError):
    """Rows can't be held against the log."""


class DifferenceError(OrderflowError):
    """Rows are not what their events make of them."""


class Mark(NamedTuple):
    """How far a partition has been applied, as the database has it."""

    topic: str
    partition: int
    topic_id: str
    generation: int
    next_offset: int


class Told(NamedTuple):
    """A record."""

    place: Place
    key: str
    message: Message | Undecodable


class Log(Protocol):
    """The topics up to the marks. It may be read again and again, and says the same."""

    #: How many records there are.
    size: int
    #: Of each partition, the first that is still there.
    begins: Mapping[tuple[str, int], int]
    #: Where those lie that the projector could not apply.
    dead: frozenset[tuple[str, int, int]]
    #: How often it is going to be read, for who shows how far that is.
    rounds: int

    def read(self, wanted: Callable[[bytes], bool]) -> Iterator[Told]:
        """Those of the wanted keys, each partition in its order; repeats of a replay are left out."""


class Event(NamedTuple):
    """What was said of a row, and where."""

    message: str
    place: str

    def __str__(self) -> str:
        return f"{self.message} {self.place}"


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not what its events make of it; None where there is, or should be, none."""

    table: str
    key: tuple[Any, ...]
    #: The key of its records.
    record_key: str
    #: By column: what it should hold, what it holds.
    columns: Mapping[str, tuple[Any, Any]]
    missing: bool = False
    surplus: bool = False
    #: By column, the event since which it should hold that.
    since: Mapping[str, Event] = field(default_factory=dict)
    #: The row is as it should have been before this event.
    behind: Event | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it."""

    model: str
    rows: int
    records: int
    ranges: int
    #: Rows, all of them; and the first of them, explained.
    differing: int
    differences: tuple[Difference, ...]
    #: Rows whose events are no longer on the topics: nobody can say what they should be.
    older: int
    #: Records that were not applied: dead letters, those that can't be read, those whose key isn't what they say.
    dead_letters: int
    undecodable: int
    misplaced: tuple[str, ...]
    #: Those of the dead letters that could be applied now: rows lack what they say.
    refused: tuple[str, ...]
    seconds: float


def verify(
    connection: Connection,
    model: Model,
    opened: Callable[[Sequence[Mark]], Log],
    *,
    records_at_once: int = RECORDS_AT_ONCE,
) -> Verdict:
    """`connection`: in autocommit; it is read in one transaction. `opened`: the log up to these marks."""
    began = time.monotonic()
    connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
    with connection.transaction():
        before = _identity(connection, model)
        marks = _marks(connection, model)
        log = opened(marks)
        ranges = log.rounds = max(1, -(-log.size // records_at_once))
        with ExitStack() as stack:
            trying = partial(_trial, stack, connection, model)
            check = _Check(connection, model, log, {(mark.topic, mark.partition): mark for mark in marks}, trying)
            for number in range(ranges):
                check.range(number, ranges)
            explained = check.explained()
        if _identity(connection, model) != before:
            raise VerifyError(f"the read model {model.name} was swapped for a rebuilt one meanwhile; verify it again")
    return Verdict(
        model.name,
        check.rows,
        log.size,
        ranges,
        check.differing,
        explained,
        check.older,
        len(log.dead) - check.applicable,
        len(check.undecodable),
        tuple(sorted(check.misplaced)),
        tuple(sorted(check.refused)),
        round(time.monotonic() - began, 1),
    )


def _trial(stack: ExitStack, connection: Connection, model: Model) -> Trial:
    """On a connection of its own: the one that is verified only reads."""
    [projected] = [each for each in MODELS if each.name == model.name]
    known = connection.info
    dsn = make_conninfo(known.dsn, password=known.password or None)
    return Trial(projected, stack.enter_context(closing(database.opened(dsn))))


def _marks(connection: Connection, model: Model) -> list[Mark]:
    try:
        rows = connection.execute(_SQL["progress"].format(schema=Identifier(model.name))).fetchall()
    except UndefinedTable as error:
        raise DatabaseError(f"there is no read model {model.name} here: `orderflow database migrate`") from error
    if not rows:
        raise VerifyError(
            f"nothing was ever projected into {model.name}: is its projector running (`orderflow projection run`)?"
        )
    return [Mark(*row) for row in rows]


def _identity(connection: Connection, model: Model) -> Any:
    names = [f"{model.name}.{table.name}" for table in model.tables]
    return [connection.execute(_SQL["identity"], {"name": name}).fetchone() for name in names]


class _Check:
    """Range by range."""

    def __init__(
        self,
        connection: Connection,
        model: Model,
        log: Log,
        marks: Mapping[tuple[str, int], Mark],
        trying: Callable[[], Trial],
    ) -> None:
        self._connection, self._model, self._log, self._marks = connection, model, log, marks
        self._trying = trying
        self._trial: Trial | None = None
        #: Dead letters, by whether they could be applied now.
        self._tried = dict[Place, bool]()
        #: Those that could, by the key of the record.
        self._lost = defaultdict[str, set[str]](set)
        self._tables = {table.name: table for table in model.tables}
        self.rows = self.differing = self.older = 0
        self.undecodable, self.misplaced, self.refused = set[str](), set[str](), set[str]()
        self._found = list[Difference]()

    def range(self, number: int, ranges: int) -> None:
        """Keys are ids, and ids are spread evenly. A key that is none falls into some range, too."""
        first, beyond = (_KEYS * each // ranges for each in (number, number + 1))
        low, high = (str(UUID(int=each % _KEYS)).encode() for each in (first, beyond))
        expected = self._expected(lambda key: (number == 0 or low <= key) and (number == ranges - 1 or key < high))
        last = str(UUID(int=beyond - 1))
        for table in self._model.tables:
            for values in self._actual(table, str(UUID(int=first)), last):
                self.rows += 1
                key = (table.name, *table.key_of(values))
                self._compare(table, expected.pop(key, None), values)
        for (name, *_), values in expected.items():
            self._compare(self._tables[name], values, None)

    def _expected(self, wanted: Callable[[bytes], bool]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        objects: dict[tuple[int, str], Any] = {}
        for told in self._log.read(wanted):
            for number, fold, subject in self._concerned(told):
                objects[number, subject] = fold.fold(objects.get((number, subject)), told.message, told.place)
        rows = (row for (number, _), each in objects.items() for row in self._model.folds[number].rows(each))
        return {self._key(row): row.values for row in rows}

    def _concerned(self, told: Told) -> Iterator[tuple[int, Fold[Any], str]]:
        """The folds that a record says something to.

        A dead letter says nothing, unless it could be applied now: rows that lack it are not what they should be.
        """
        if (told.place.topic, told.place.partition, told.place.offset) in self._log.dead:
            if not self._applicable(told):
                return
            self._lost[told.key].add(str(told.place))
        if isinstance(told.message, Undecodable):
            self.undecodable.add(str(told.place))
            return
        for number, fold in enumerate(self._model.folds):
            if isinstance(told.message, fold.messages):
                # By its key it lies on a partition, and its key is what orders it among others.
                if told.message.record_key != told.key:
                    self.misplaced.add(str(told.place))
                    return
                yield number, fold, fold.subject(told.message)

    @property
    def applicable(self) -> int:
        return sum(self._tried.values())

    def _applicable(self, told: Told) -> bool:
        message, place = told.message, told.place
        if isinstance(message, Undecodable) or message.record_key != told.key:
            return False
        if place not in self._tried:
            if self._trial is None:
                self._trial = self._trying()
            self._tried[place] = partition_of(told.key.encode(), PARTITIONS) == place.partition and self._trial.takes(
                message, Applied(place.partition, place.offset, place.at)
            )
        return self._tried[place]

    def _actual(self, table: Table, first: str, last: str) -> Iterator[tuple[Any, ...]]:
        statement = _SQL["rows"].format(
            columns=SQL(", ").join(map(Identifier, table.columns)),
            schema=Identifier(self._model.name),
            table=Identifier(table.name),
            by=Identifier(table.by),
        )
        with self._connection.cursor("verify") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            cursor.execute(statement, {"first": first, "last": last})
            for row in cursor:
                yield tuple(map(_plain, row))

    def _compare(self, table: Table, expected: tuple[Any, ...] | None, actual: tuple[Any, ...] | None) -> None:
        if expected == actual:
            return
        one = expected or actual or ()
        named = dict(zip(table.columns, one, strict=True))
        if expected is None and self._is_older(named):
            self.older += 1
            return
        self.differing += 1
        self.refused |= self._lost.get(named[table.by], set())
        if len(self._found) < MOST_EXPLAINED:
            pairs = zip(table.columns, expected or _nothing(table), actual or _nothing(table), strict=True)
            columns = {column: (should, holds) for column, should, holds in pairs if should != holds}
            self._found.append(
                Difference(
                    table.name,
                    table.key_of(one),
                    named[table.by],
                    columns,
                    missing=actual is None,
                    surplus=expected is None,
                )
            )

    def _is_older(self, row: Mapping[str, Any]) -> bool:
        """Whether all that was said of a row may have left the topics."""
        partition = partition_of(str(next(iter(row.values()))).encode(), PARTITIONS)
        marks = (mark for (_, number), mark in self._marks.items() if number == partition)
        version = row.get("version", row.get("topic_offset", 0) + 1)
        return any(
            version <= Place(mark.topic, partition, begin - 1, 0, mark.generation).version
            for mark in marks
            if (begin := self._log.begins.get((mark.topic, partition), 0)) or mark.generation
        )

    def _key(self, row: Row) -> tuple[Any, ...]:
        return row.table, *self._tables[row.table].key_of(row.values)

    def explained(self) -> tuple[Difference, ...]:
        """Each with what was said of it, for which the topics are read once more."""
        if not self._found:
            return ()
        keys = {each.record_key.encode() for each in self._found}
        said = defaultdict[str, list[Told]](list)
        for told in self._log.read(keys.__contains__):
            said[told.key].append(told)
        return tuple(self._explain(each, said[each.record_key]) for each in self._found)

    def _explain(self, difference: Difference, said: Sequence[Told]) -> Difference:
        """Fold step by step, and watch the row."""
        key, table = (difference.table, *difference.key), self._tables[difference.table]
        actual = {column: holds for column, (_, holds) in difference.columns.items()}
        objects: dict[tuple[int, str], Any] = {}
        row, since, events = dict.fromkeys(table.columns), dict[str, Event](), list[Event]()
        behind: Event | None = None
        was_right = difference.missing
        for told in sorted(said, key=lambda each: (each.place.at, each.place)):
            event = Event(type(told.message).__name__, str(told.place))
            events.append(event)
            before = dict(row)
            for number, fold, subject in self._concerned(told):
                objects[number, subject] = fold.fold(objects.get((number, subject)), told.message, told.place)
                rows = {self._key(each): each.values for each in fold.rows(objects[number, subject])}
                if (values := rows.get(key)) is not None:
                    row = dict(zip(table.columns, values, strict=True))
            since |= {column: event for column in actual if row[column] != before[column]}
            is_right = all(row[column] == holds for column, holds in actual.items())
            behind = None if is_right else event if was_right else behind
            was_right = is_right
        return Difference(
            difference.table,
            difference.key,
            difference.record_key,
            difference.columns,
            missing=difference.missing,
            surplus=difference.surplus,
            since=since,
            behind=behind,
            events=tuple(events[-_LAST_EVENTS:]),
        )


def _nothing(table: Table) -> Iterable[None]:
    return (None,) * len(table.columns)


def _plain(value: Any) -> Any:
    """As folds have it."""
    match value:
        case UUID():
            return str(value)
        case datetime():
            return round(value.timestamp() * 1_000)
        case list():
            return tuple(value)
    return value
