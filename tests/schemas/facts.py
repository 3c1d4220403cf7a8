"""The business's own notation (catalogue.yaml), read into shapes, and our declarations brought into the same shapes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.avsc import avro_schema
from schemas.message import Record

PRIMITIVES = {
    "uuid": "uuid",
    "ts": "timestamp-millis",
    "money": "long",
    "currency": "string ^[A-Z]{3}$",
    "int": "int",
    "double": "double",
    "bool": "boolean",
    "string": "string",
}


@dataclass(frozen=True)
class Shape:
    """A field: its type in words (with limits), whether it is required, its default."""

    type: Any
    required: bool
    default: Any = None


class Notation:
    """A recursive reader of `{a: uuid!, b: "[{c: int>=1!}]!"}` and its parts."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def field(self) -> Shape:
        kind = self.type()
        required = self.take("!")
        default = self.match(r"=(\d+)")
        if not required and default is None:
            required = self.take("!")
        return Shape(kind, required or default is not None, int(default[1]) if default else None)

    def type(self) -> Any:
        if self.take("{"):
            return self.record()
        if self.take("["):
            items = self.field().type
            assert self.take("]"), self.rest()
            return [items]
        if found := self.match(r"enum\[([^\]]*)\]"):
            return ("enum", *found[1].split(","))
        word = self.match(r"[a-z]+")
        assert word is not None, self.rest()
        kind = PRIMITIVES[word[0]]
        limit = self.match(r"([<>]=\d+)") or self.match(r"( \^[^!]*\$)")
        return kind + limit[1] if limit else kind

    def record(self) -> dict[str, Shape]:
        fields = {}
        while not self.take("}"):
            name = self.match(r"\s*([A-Za-z_]\w*):\s*")
            assert name is not None, self.rest()
            fields[name[1]] = self.field()
            self.match(r",\s*")
        return fields

    def take(self, text: str) -> bool:
        if self.text.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def match(self, pattern: str) -> re.Match[str] | None:
        found = re.compile(pattern).match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def rest(self) -> str:
        return f"can't read {self.text[self.at :]!r}"


def given(fields: dict[str, str]) -> dict[str, Shape]:
    shapes = {}
    for name, text in fields.items():
        reader = Notation(text)
        shapes[name] = reader.field()
        assert reader.at == len(text), reader.rest()
    return shapes


def declared(record: type[Record]) -> dict[str, Shape]:
    """From the Avro schema the types, from the JSON schema the limits that Avro can't say."""
    json = record.model_json_schema()
    return _record(avro_schema(record), json, json.get("$defs", {}))


def _record(avro: dict[str, Any], json: dict[str, Any], defs: dict[str, Any]) -> dict[str, Shape]:
    return {
        field["name"]: Shape(
            _type(field["type"], json["properties"][field["name"]], defs),
            "default" not in field or field["default"] is not None,
            field.get("default"),
        )
        for field in avro["fields"]
        if field["name"] != "meta"
    }


def _type(avro: Any, json: dict[str, Any], defs: dict[str, Any]) -> Any:
    json = _present(json, defs)
    match avro:
        case ["null", present]:
            return _type(present, json, defs)
        case {"type": "record"}:
            return _record(avro, json, defs)
        case {"type": "array", "items": items}:
            return [_type(items, json["items"], defs)]
        case {"type": "enum", "symbols": [*symbols, "UNRECOGNIZED"], "default": "UNRECOGNIZED"}:
            return ("enum", *symbols)
        case {"logicalType": logical}:
            return logical
        case "int" | "string" as primitive:
            return primitive + "".join(_limits(json))
    return avro


def _present(json: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    for each in json.get("anyOf", ()):
        if each != {"type": "null"}:
            return _present(each, defs)
    if "$ref" in json:
        return _present(defs[json["$ref"].removeprefix("#/$defs/")], defs)
    return json


def _limits(json: dict[str, Any]) -> Iterator[str]:
    if json.get("minimum", -(2**31)) > -(2**31):
        yield f">={json['minimum']}"
    if "maxLength" in json:
        yield f"<={json['maxLength']}"
    if "pattern" in json:
        yield f" {json['pattern']}"
