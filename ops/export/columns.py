"""A message as a row: flat, typed columns, from its Avro schema. What is in a list stays one, of structs."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa

from ops.reading import Said
from schemas.avsc import avro_schema
from schemas.message import Message

_TIME = pa.timestamp("ms", tz="UTC")
_TYPES = {
    "string": pa.string(),
    "long": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
}
#: Where a record lay and when it came: the same in every table.
_PLACE = (
    pa.field("record_topic", pa.string(), nullable=False),
    pa.field("record_partition", pa.int32(), nullable=False),
    pa.field("record_offset", pa.int64(), nullable=False),
    pa.field("record_key", pa.string(), nullable=False),
    pa.field("record_at", _TIME, nullable=False),
)
#: Of records that are no messages: kept as they are, since nobody knows what they were.
UNREADABLE = "Unreadable"
_UNREADABLE = pa.schema([*_PLACE, pa.field("cause", pa.string())])
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class _Column(NamedTuple):
    name: str
    #: The fields that lead to it, from the message on.
    path: tuple[str, ...]
    type: pa.DataType


def table_of(said: Said) -> str:
    """Each type of message has a table of its own."""
    return type(said.message).__name__ if isinstance(said.message, Message) else UNREADABLE


def rows(said: list[Said]) -> pa.Table:
    """Records of one table."""
    first = said[0].message
    places = [(*each.part, each.offset, each.key, each.at) for each in said]
    if not isinstance(first, Message):
        values = zip(*places, strict=True)
        causes = [str(each.message) for each in said]
        return pa.table([*map(list, values), causes], schema=_UNREADABLE)
    columns = _columns(type(first))
    told = [each.message.model_dump() for each in said if isinstance(each.message, Message)]
    schema = pa.schema([*_PLACE, *(pa.field(column.name, column.type) for column in columns)])
    facts = [[_at(each, column.path) for each in told] for column in columns]
    return pa.table([*map(list, zip(*places, strict=True)), *facts], schema=schema)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if value is None:
            return None
        value = value[name]
    return value


@cache
def _columns(message: type[Message]) -> tuple[_Column, ...]:
    return tuple(_flat(avro_schema(message), (), {}))


def _flat(record: Mapping[str, Any], path: tuple[str, ...], named: dict[str, Any]) -> Iterator[_Column]:
    for field in record["fields"]:
        kind, here = _present(field["type"], named), (*path, field["name"])
        if isinstance(kind, dict) and kind["type"] == "record":
            yield from _flat(kind, here, named)
        else:
            yield _Column("_".join(map(_snake, here)), here, _arrow(kind, named))


def _present(kind: Any, named: dict[str, Any]) -> Any:
    """A type without null; one that is only named, as it was where it was named first."""
    if isinstance(kind, list):
        kind = kind[1]
    if isinstance(kind, str):
        return named.get(kind, kind)
    if "name" in kind:
        named[f"{kind['namespace']}.{kind['name']}"] = kind
    return kind


def _arrow(kind: Any, named: dict[str, Any]) -> pa.DataType:
    kind = _present(kind, named)
    if isinstance(kind, str):
        return _TYPES[kind]
    match kind["type"]:
        case "array":
            return pa.list_(_arrow(kind["items"], named))
        case "record":
            return pa.struct([pa.field(field["name"], _arrow(field["type"], named)) for field in kind["fields"]])
        case "long":
            return _TIME
    return pa.string()


def _snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()
