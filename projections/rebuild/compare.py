"""Rows of the live model beside those of the shadow, at the same offsets.

First by sums: for each table and each range of keys, how many rows, and a sum of hashes of their texts. Where those
differ, row by row, and of some of them column by column.
"""

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from projections.models.model import Table
from projections.rebuild.follow import Touched
from projections.rebuild.site import STATEMENTS, RebuildError, Site

#: Rows that differ are shown, and counted beyond that.
MOST_SHOWN = 20
_MOST_REMEMBERED = 100_000
_RANGES_AT_ONCE = 16
_IDS_AT_ONCE = 5_000

#: As text, each column of it.
RowKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that the two schemas have otherwise, or that only one of them has."""

    table: str
    key: RowKey
    #: By column, what the live model has, and what the rebuilt one has; as PostgreSQL writes it.
    columns: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    only_live: bool = False
    only_rebuilt: bool = False


@dataclass(slots=True)
class Differences:
    """All are counted, some are shown."""

    rows: int = 0
    differing: int = 0
    shown: list[Difference] = field(default_factory=list)
    #: A row that changes meanwhile is looked at again, and counts once; of very many, perhaps twice.
    seen: set[tuple[str, RowKey]] = field(default_factory=set)

    def add(self, differences: Iterable[Difference]) -> None:
        for each in differences:
            if (each.table, each.key) not in self.seen:
                if len(self.seen) < _MOST_REMEMBERED:
                    self.seen.add((each.table, each.key))
                self.differing += 1
                if len(self.shown) < MOST_SHOWN:
                    self.shown.append(each)


class Side(NamedTuple):
    """One of the two, as this connection sees it."""

    connection: Connection
    schema: str


class Sides(NamedTuple):
    """What is compared."""

    live: Side
    rebuilt: Side

    def ask(self, question: Any, *arguments: Any) -> tuple[Any, Any]:
        """Both at once."""
        with ThreadPoolExecutor(1) as other:
            rebuilt = other.submit(question, self.rebuilt, *arguments)
            return question(self.live, *arguments), rebuilt.result()


def compare_all(sides: Sides, site: Site, found: Differences) -> None:
    for table in site.model.tables:
        columns = _columns(sides, table)
        live, rebuilt = sides.ask(_sums, table, columns)
        found.rows += sum(count for count, _ in rebuilt.values())
        ranges = sorted(each for each in live.keys() | rebuilt.keys() if live.get(each) != rebuilt.get(each))
        for first in range(0, len(ranges), _RANGES_AT_ONCE):
            theirs, ours = sides.ask(_hashes, table, columns, ranges[first : first + _RANGES_AT_ONCE])
            keys = sorted(key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key))
            room = max(0, MOST_SHOWN - len(found.shown))
            found.add(_explained(sides, table, columns, keys[:room]))
            found.add(Difference(table.name, key) for key in keys[room:])


def compare_touched(sides: Sides, touched: Touched, found: Differences) -> None:
    """The rows of these ids alone."""
    for table, ids in touched.items():
        if ids:
            columns, several = _columns(sides, table), sorted(ids)
            for first in range(0, len(several), _IDS_AT_ONCE):
                found.add(_differing(sides, table, columns, several[first : first + _IDS_AT_ONCE]))


def _explained(sides: Sides, table: Table, columns: list[str], keys: Collection[RowKey]) -> list[Difference]:
    wanted = set(keys)
    ids = sorted({key[0] for key in keys})
    return [each for each in _differing(sides, table, columns, ids) if each.key in wanted] if ids else []


def _differing(sides: Sides, table: Table, columns: list[str], ids: list[str]) -> list[Difference]:
    live, rebuilt = sides.ask(_rows, table, columns, ids)
    found = list[Difference]()
    for key in sorted(live.keys() | rebuilt.keys()):
        ours, theirs = live.get(key), rebuilt.get(key)
        if ours is None or theirs is None:
            found.append(Difference(table.name, key, only_live=theirs is None, only_rebuilt=ours is None))
        elif ours != theirs:
            pairs = zip(columns, ours, theirs, strict=True)
            found.append(
                Difference(table.name, key, {name: (one, other) for name, one, other in pairs if one != other})
            )
    return found


def _columns(sides: Sides, table: Table) -> list[str]:
    live: list[str]
    live, rebuilt = sides.ask(_columns_of, table)
    if live != rebuilt:
        names = ", ".join(sorted(set(live) ^ set(rebuilt)))
        raise RebuildError(
            f"{sides.live.schema}.{table.name} and the rebuilt one don't have the same columns: {names}. Somebody "
            "changed the table by hand; write that change as a migration, or take it back"
        )
    return live


def _columns_of(side: Side, table: Table) -> list[str]:
    found = side.connection.execute(STATEMENTS["columns"], {"table": f"{side.schema}.{table.name}"})
    return [name for (name,) in found]


def _sums(side: Side, table: Table, columns: list[str]) -> dict[str, tuple[int, int]]:
    found = side.connection.execute(STATEMENTS["sums"].format(**_names(side, table, columns)))
    return {first: (count, total) for first, count, total in found}


def _hashes(side: Side, table: Table, columns: list[str], ranges: list[str]) -> dict[RowKey, int]:
    found = side.connection.execute(STATEMENTS["hashes"].format(**_names(side, table, columns)), {"ranges": ranges})
    return {tuple(key): total for *key, total in found}


def _rows(side: Side, table: Table, columns: list[str], ids: list[str]) -> dict[RowKey, tuple[str | None, ...]]:
    names = _names(side, table, columns) | {"columns": _texts(columns)}
    found = side.connection.execute(STATEMENTS["rows"].format(**names), {"ids": ids})
    width = len(table.key)
    return {row[:width]: row[width:] for row in found}


def _names(side: Side, table: Table, columns: list[str]) -> dict[str, Composed | Identifier]:
    return {
        "table": Identifier(side.schema, table.name),
        "by": Identifier(table.key[0]),
        "key": _texts(table.key),
        "columns": SQL(", ").join(map(Identifier, columns)),
    }


def _texts(names: Iterable[str]) -> Composed:
    return SQL(", ").join(SQL("{}::text").format(Identifier(name)) for name in names)
