"""Rows into a table: COPY into a temporary one, then one statement that merges, by the rules of `Table.merge`.

The statements are made from the declaration of the table, since each column stands in four places of them.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from psycopg import Cursor
from psycopg.sql import SQL, Composable, Composed, Identifier

from projections.models.model import UNORDERED, Columns, Table, Type

#: As COPY's text format has them.
_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _text(value: str) -> str:
    # Nearly no text has any of these, and to look is cheaper than to translate.
    return value.translate(_ESCAPES) if not value.isprintable() or "\\" in value else value


def _array(values: tuple[str, ...]) -> str:
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return _text("{" + ",".join(f'"{each}"' for each in quoted) + "}")


def _json(value: Any) -> str:
    return _text(msgspec.json.encode(value).decode())


_WRITTEN: dict[Type, Callable[[Any], str]] = {
    "uuid": _text,
    "text": _text,
    "text[]": _array,
    "jsonb": _json,
    "integer": str,
    "bigint": str,
}


class Lines:
    """Rows of one table as COPY reads them."""

    def __init__(self, table: Table, stamp: Callable[[int], str] = str) -> None:
        """`stamp`: how a time is written; in millis, unless somebody needs more."""
        written = {**_WRITTEN, "timestamptz": stamp}
        self._columns = tuple((name, written[kind]) for name, kind in table.columns.items())

    def line(self, row: Columns) -> str:
        fields = []
        for name, written in self._columns:
            value = row.get(name)
            fields.append(_NULL if value is None else written(value))
        return "\t".join(fields) + "\n"


class Upsert:
    """Of one table, on any connection whose search path finds it."""

    def __init__(self, table: Table) -> None:
        self.line = Lines(table).line
        staged, columns = Identifier(f"staged_{table.name}"), SQL(", ").join(map(Identifier, table.columns))
        self.stage = SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DELETE ROWS").format(
            staged,
            # Times travel as millis, and a text of each would cost more than a row of figures.
            SQL(", ").join(
                SQL("{} {}").format(Identifier(name), SQL("bigint" if kind == "timestamptz" else kind))
                for name, kind in table.columns.items()
            ),
        )
        #: Of a transaction that goes on with other rows.
        self.clear = SQL("DELETE FROM {}").format(staged)
        self._copy = SQL("COPY {} FROM STDIN").format(staged)
        self._merge = SQL("INSERT INTO {} AS t ({}) SELECT {} FROM {} ON CONFLICT ({}) DO {}").format(
            Identifier(table.name),
            columns,
            SQL(", ").join(_unstaged(name, kind) for name, kind in table.columns.items()),
            staged,
            SQL(", ").join(map(Identifier, table.key)),
            SQL("NOTHING") if table.fixed else _update(table),
        )

    def copy(self, cursor: Cursor[Any], rows: list[Columns]) -> None:
        """Into the temporary table, which is empty again after the transaction."""
        with cursor.copy(self._copy) as copy:
            copy.write("".join(map(self.line, rows)))

    def merge(self, cursor: Cursor[Any]) -> int:
        """What was copied; how many rows are new or other than before."""
        return cursor.execute(self._merge).rowcount


def _unstaged(name: str, kind: Type) -> Composable:
    column = Identifier(name)
    if kind != "timestamptz":
        return column
    # In whole seconds and the millis beyond them: a double has no room for both in the year 9999.
    return SQL("to_timestamp({} / 1000) + {} % 1000 * interval '1 millisecond'").format(column, column)


def _update(table: Table) -> Composed:
    editions = {column: edition for edition, governed in table.editions.items() for column in (edition, *governed)}

    def merged(name: str) -> Composed:
        column = Identifier(name)
        if name == "version" or name in table.editions:
            return SQL("{} = greatest(t.{}, excluded.{})").format(column, column, column)
        latest = SQL("coalesce(excluded.{}, t.{})").format(column, column)
        if name not in editions:
            return SQL("{} = {}").format(column, latest)
        edition = Identifier(editions[name])
        return SQL("{} = CASE WHEN excluded.{} >= t.{} THEN {} ELSE t.{} END").format(
            column, edition, edition, latest, column
        )

    return SQL("UPDATE SET {} WHERE excluded.version > t.version OR excluded.version = {}").format(
        SQL(", ").join(merged(name) for name in table.columns if name not in table.key), UNORDERED
    )
