"""What a read model is: which columns of which rows an event says. Pure: no clock, no database.

An event never says a whole row, and columns that it doesn't say stay as they are. So the rows of a key merge: within a
batch here, into the table by the same rules in SQL (`projections/upsert.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from schemas.errors import OrderflowError
from schemas.message import Message
from schemas.topics import Topic

Type = Literal["uuid", "text", "text[]", "jsonb", "integer", "bigint", "timestamptz"]
#: By column; None where the event does not say. Values stay as they travel: ids are texts, times are millis.
Columns = dict[str, Any]
Key = tuple[Any, ...]

#: A version is the offset after the event, and above it how often its topic had been made anew.
GENERATION = 2**40
#: Of an event that has no place among those that versions count: it is applied whatever the row's version is.
UNORDERED = 0


class UnfitEventError(OrderflowError):
    """An event that no row can show."""


class Place(NamedTuple):
    """Where an event lies, and its time in millis."""

    partition: int
    offset: int
    at: int


@dataclass(frozen=True, eq=False)
class Table:
    """What is written of a table; columns that PostgreSQL generates are not."""

    name: str
    key: tuple[str, ...]
    #: All that are written, the key's and `version` among them.
    columns: Mapping[str, Type]
    #: By a column that counts editions, those that are of the edition: all of them are taken from the greater one.
    #: Such a count is always said; 0 where the event is of no edition.
    editions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: A row stays as it was said first.
    fixed: bool = False

    def merge(self, row: Columns, later: Columns) -> None:
        """What a later event says of the same row."""
        if self.fixed:
            return
        stale = {
            column
            for edition, governed in self.editions.items()
            if later[edition] < row[edition]
            for column in (edition, *governed)
        }
        for column, value in later.items():
            if value is not None and column not in stale:
                row[column] = value


Change = tuple[Table, Columns]
Rule = Callable[[Any, Place], list[Change]]


@dataclass(frozen=True, eq=False)
class ReadModel:
    """One schema of the Order Database."""

    name: str
    tables: tuple[Table, ...]
    #: By type of event, what it says.
    rules: Mapping[type[Message], Rule]

    @property
    def topics(self) -> tuple[Topic, ...]:
        return tuple(dict.fromkeys(topic for event in self.rules if (topic := event.contract.topic) is not None))

    def changes(self, message: Message, place: Place) -> list[Change]:
        """Raises UnfitEventError. Of an event that no rule is about: nothing."""
        rule = self.rules.get(type(message))
        return [] if rule is None else rule(message, place)


class Rows:
    """What the events of one batch say, merged: of each key one row."""

    def __init__(self, model: ReadModel, generation: int = 0) -> None:
        self._base = generation * GENERATION + 1
        self._tables: dict[Table, dict[Key, Columns]] = {table: {} for table in model.tables}

    def add(self, changes: list[Change], offset: int) -> None:
        for table, columns in changes:
            if "version" in table.columns:
                columns.setdefault("version", self._base + offset)
            rows = self._tables[table]
            key = tuple([columns[name] for name in table.key])
            if (row := rows.get(key)) is None:
                rows[key] = columns
            else:
                table.merge(row, columns)

    def __iter__(self) -> Iterator[tuple[Table, list[Columns]]]:
        """Of the tables that anything is said of."""
        return ((table, list(rows.values())) for table, rows in self._tables.items() if rows)
