"""One partition folded in memory and copied, in one transaction: all of it or nothing.

Its keys are cut into ranges, and its topics are read once for each, so that memory is bounded. No row is looked up and
none is written twice. What PostgreSQL refuses is not looked for here: such a partition is left to whoever catches up,
record by record as the projector does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from zlib import crc32

from psycopg import Connection, Cursor, DataError, IntegrityError
from psycopg.sql import SQL, Identifier

from projections.models.model import UNORDERED, Columns, Key, ReadModel, Rows, Table
from projections.reading import Reader
from projections.rebuild.site import STATEMENTS, Log, Mark, Refusals, Site, Spot
from projections.store import Owned
from projections.upsert import Lines
from streams.codec import Codec
from streams.kafka.counters import Counters

#: Of one range of keys: rows of some hundred bytes each are made of them.
RECORDS_AT_ONCE = 400_000
_LINES_AT_ONCE = 2_000

Read = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of a partition."""

    partition: int
    records: int = 0
    refusals: Refusals = field(default_factory=Refusals)
    #: Why PostgreSQL did not take it.
    problem: str | None = None


class Gathered:
    """Rows of many batches, by the rules of the upsert (`projections/upsert.py`)."""

    def __init__(self, model: ReadModel) -> None:
        self.tables: dict[Table, dict[Key, Columns]] = {table: {} for table in model.tables}

    def add(self, rows: Rows) -> None:
        for table, batch in rows:
            known = self.tables[table]
            for columns in batch:
                key = tuple([columns[name] for name in table.key])
                if (row := known.setdefault(key, columns)) is not columns:
                    _merge(table, row, columns)


def fill(site: Site, marks: Sequence[Mark], read: Read, *, records_at_once: int = RECORDS_AT_ONCE) -> Filled:
    """`marks`: those of one partition number, on all topics. `read` hears of every so many records."""
    number = marks[0].partition
    with site.opened() as (log, codec), site.connected() as connection:
        bounds = log.bounds([mark.spot for mark in marks])
        firsts = {mark.spot: min(bounds[mark.spot][0], mark.next_offset) for mark in marks}
        try:
            with connection.transaction():
                if not place(connection, site, marks, {mark.spot: mark.next_offset for mark in marks}):
                    return Filled(number)
                return _Filling(site, log, codec, marks, firsts, read).into(connection, records_at_once)
        except (DataError, IntegrityError) as error:
            with connection.transaction():
                place(connection, site, marks, firsts)
            return Filled(number, problem=f"{error.sqlstate} {type(error).__name__}: {str(error).splitlines()[0]}")


class _Filling:
    def __init__(
        self, site: Site, log: Log, codec: Codec, marks: Sequence[Mark], firsts: dict[Spot, int], read: Read
    ) -> None:
        self._model, self._log, self._marks, self._firsts, self._read = site.model, log, marks, firsts, read
        self._reader = Reader(site.model, codec, Counters(), site.model.topics[0].partitions)
        self._refusals = Refusals()

    def into(self, connection: Connection, records_at_once: int) -> Filled:
        records = sum(mark.next_offset - self._firsts[mark.spot] for mark in self._marks)
        ranges = max(1, -(-records // records_at_once))
        for number in range(ranges):
            gathered = self._gathered(number, ranges)
            with connection.cursor() as cursor:
                for table, rows in gathered.tables.items():
                    _copy(cursor, table, rows)
        return Filled(self._marks[0].partition, records, self._refusals)

    def _gathered(self, number: int, ranges: int) -> Gathered:
        gathered = Gathered(self._model)
        for mark in self._marks:
            owned = Owned(*mark.spot, mark.topic_id, mark.next_offset, 0, mark.generation)
            for batch in self._log.between({mark.spot: (self._firsts[mark.spot], mark.next_offset)}):
                wanted = [each for each in batch if ranges == 1 or crc32(each.key() or b"") % ranges == number]
                found = self._reader.read(owned, wanted)
                gathered.add(found.rows)
                for record, cause in found.refused:
                    self._refusals.add(mark.topic, record, cause)
                self._read(len(wanted))
        return gathered


def place(connection: Connection, site: Site, marks: Iterable[Mark], offsets: Mapping[Spot, int]) -> bool:
    """Whether the partition is ours: nobody has filled it, and nobody will beside us."""
    connection.execute(STATEMENTS["enter"].format(schema=Identifier(site.next)))
    return all(
        connection.execute(STATEMENTS["place"], mark._asdict() | {"next_offset": offsets[mark.spot]}).rowcount
        for mark in marks
    )


def _merge(table: Table, row: Columns, later: Columns) -> None:
    if table.fixed:
        return
    version = row["version"]
    if later["version"] > version or later["version"] == UNORDERED:
        table.merge(row, later)
        row["version"] = max(version, row["version"])


def _copy(cursor: Cursor, table: Table, rows: dict[Key, Columns]) -> None:
    columns = SQL(", ").join(map(Identifier, table.columns))
    with cursor.copy(SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), columns)) as copy:
        for lines in _lines(table, rows):
            copy.write(lines)


def _lines(table: Table, rows: dict[Key, Columns]) -> Iterator[str]:
    line, several = Lines(table, _stamp).line, list(rows.values())
    for first in range(0, len(several), _LINES_AT_ONCE):
        yield "".join(map(line, several[first : first + _LINES_AT_ONCE]))


def _stamp(millis: int) -> str:
    seconds, rest = divmod(millis, 1_000)
    return f"{_second(seconds)}.{rest:03}+00"


@lru_cache(maxsize=10_000)
def _second(seconds: int) -> str:
    # Events of a second stand together.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
