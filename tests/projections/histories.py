"""Events of a few keys in any order, as a read model may meet them, and their rows in a table that is a dict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from projections.models.model import UNORDERED, Change, Columns, Key, Place, ReadModel, Rows, Table
from schemas.inventory import InventoryUnavailable
from schemas.message import Message
from tests.streams.arbitrary import records

#: To make a strategy takes longer than to draw from it.
_records = cache(records)

#: Few, so that events meet.
IDS = ["00000000-0000-5000-8000-000000000001", "00000000-0000-5000-8000-000000000002"]
MILLIS = 1_800_000_000_000


@dataclass(frozen=True)
class Read:
    """An event and where it lay."""

    message: Message
    place: Place


@st.composite
def histories(draw: st.DrawFn, model: ReadModel, most: int = 12) -> list[Read]:
    """Of one partition of one topic, with offsets that leave gaps."""
    topic = draw(st.sampled_from(model.topics))
    kinds = [kind for kind in model.rules if kind.contract.topic == topic]
    found, offset = [], 0
    for message in draw(st.lists(st.sampled_from(kinds).flatmap(_records), max_size=most)):
        offset += draw(st.integers(1, 3))
        found.append(Read(_about_few(draw, message), Place(2, offset, MILLIS + offset)))
    return found


def _about_few(draw: st.DrawFn, message: object) -> Message:
    """The same few ids in all of them; no NUL, which PostgreSQL has no text for, and no product twice."""
    assert isinstance(message, Message)
    fields: dict[str, Any] = {name: _readable(value) for name, value in message.model_dump().items() if name != "meta"}
    fields |= {name: draw(st.sampled_from(IDS)) for name in fields if name.lower().endswith("id") and fields[name]}
    if isinstance(message, InventoryUnavailable):
        fields["orderId"] = draw(st.sampled_from(IDS))
    if "items" in fields:
        named = "sku" if fields["items"] and "sku" in fields["items"][0] else "productId"
        fields["items"] = [{**item, named: product} for item, product in zip(fields["items"], IDS, strict=False)]
    return type(message).model_validate(fields)


def _readable(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {name: _readable(each) for name, each in value.items()}
    return [_readable(each) for each in value] if isinstance(value, list | tuple) else value


def split(history: Sequence[Read], cuts: Iterable[int]) -> list[Sequence[Read]]:
    edges = sorted({0, len(history), *(cut % (len(history) + 1) for cut in cuts)})
    return [history[first:end] for first, end in pairwise(edges)]


def rows_of(model: ReadModel, batch: Sequence[Read], generation: int = 0) -> Rows:
    rows = Rows(model, generation)
    for read in batch:
        rows.add(model.changes(read.message, read.place), read.place.offset)
    return rows


class Tables:
    """What PostgreSQL does, in a dict: insert, or merge where the version says so."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, Key], Columns] = {}

    def write(self, batch: Rows) -> None:
        for table, rows in batch:
            for columns in rows:
                self._write(table, columns)

    def _write(self, table: Table, columns: Columns) -> None:
        key = table.name, tuple(columns[name] for name in table.key)
        row = self.rows.get(key)
        if row is None:
            self.rows[key] = {name: columns.get(name) for name in table.columns}
        elif table.fixed or columns["version"] > row["version"] or columns["version"] == UNORDERED:
            version = max(row.get("version", 0), columns.get("version", 0))
            table.merge(row, dict(columns))
            if not table.fixed:
                row["version"] = version


def changed(changes: list[Change], table: Table) -> list[Columns]:
    return [columns for each, columns in changes if each is table]
