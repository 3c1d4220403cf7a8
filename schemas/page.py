"""The catalogue page: every message and field for people."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from schemas.avsc import Schema, avro_schema
from schemas.catalogue import CONTEXTS, MESSAGES
from schemas.message import Message, Record
from schemas.topics import TOPICS


def text() -> str:
    return "\n".join([*_head(), *(line for context in CONTEXTS for line in _context(context))]) + "\n"


def _head() -> Iterator[str]:
    yield "# The catalogue"
    yield ""
    yield "Generated from the declarations in `schemas/` (`orderflow schemas generate`); not to be edited."
    yield ""
    yield f"{len(MESSAGES)} messages; their Avro schemas are `schemas/avro/<context>/<name>.avsc`."
    yield ""
    yield "| topic | key | partitions | kept for |"
    yield "| --- | --- | --- | --- |"
    for topic in TOPICS:
        yield f"| `{topic.name('<env>')}` | {topic.key} | {topic.partitions} | {topic.retention.days} days |"
    yield ""


def _context(context: ModuleType) -> Iterator[str]:
    name = context.__name__.removeprefix("schemas.")
    messages = [message for message in MESSAGES if message.__module__ == context.__name__]
    yield f"## {name.capitalize()}"
    yield ""
    yield (context.__doc__ or "").strip()
    yield ""
    yield "| message | kind | version | topic | key | from | to |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for message in messages:
        yield _row(message)
    yield ""
    for message in messages:
        yield from _details(message)


def _row(message: type[Message]) -> str:
    contract = message.contract
    topic = f"`{contract.topic.name('<env>')}`" if contract.topic else "over HTTP"
    ends = (", ".join(ends) or "anyone" for ends in (contract.producers, contract.consumers))
    name = f"[{message.__name__}](#{message.__name__.lower()})"
    return f"| {name} | {message.kind} | {contract.version} | {topic} | {contract.key or ''} | {' | '.join(ends)} |"


def _details(message: type[Message]) -> Iterator[str]:
    yield f"### {message.__name__}"
    yield ""
    yield from _fields(message)
    if message.contract.answer is not None:
        yield f"Its answer, {message.contract.answer.__name__}:"
        yield ""
        yield from _fields(message.contract.answer)


def _fields(record: type[Record]) -> Iterator[str]:
    schema = avro_schema(record)
    yield schema["doc"]
    yield ""
    yield "| field | type | required | meaning |"
    yield "| --- | --- | --- | --- |"
    yield from _rows(schema, "")
    yield ""


def _rows(schema: Schema, prefix: str) -> Iterator[str]:
    for field in schema["fields"]:
        if field["name"] == "meta":
            continue  # the same everywhere: docs/producing.md
        required = "" if "default" in field else "yes"
        yield f"| `{prefix}{field['name']}` | {_text(field['type'])} | {required} | {field['doc'].replace('|', '/')} |"
        inner, mark = field["type"], ""
        if isinstance(inner, list):
            inner = inner[1]
        if isinstance(inner, dict) and inner["type"] == "array":
            inner, mark = inner["items"], "[]"
        if isinstance(inner, dict) and inner["type"] == "record":
            yield from _rows(inner, f"{prefix}{field['name']}{mark}.")


def _text(kind: Any) -> str:
    match kind:
        case ["null", present]:
            return _text(present)
        case {"type": "enum", "symbols": symbols}:
            return ", ".join(f"`{symbol}`" for symbol in symbols if symbol != "UNRECOGNIZED")
        case {"type": "array", "items": items}:
            return f"array of {_text(items)}"
        case {"type": "record", "name": name}:
            return str(name)
        case {"logicalType": logical}:
            return str(logical)
    return str(kind)
