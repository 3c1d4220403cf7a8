"""From a declaration to its Avro schema: the only place that knows how Python types are written in Avro."""

import json
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic import StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from schemas.message import Record
from schemas.types import INT_MAX, UNRECOGNIZED, Logical, Symbols

Schema = dict[str, Any]
_PRIMITIVES: dict[type, str] = {str: "string", int: "int", float: "double", bool: "boolean"}
_LOGICAL: dict[Logical, Any] = {
    Logical.UUID: {"type": "string", "logicalType": "uuid"},
    Logical.TIMESTAMP: {"type": "long", "logicalType": "timestamp-millis"},
    Logical.LONG: "long",
}


def namespace(of: type) -> str:
    """The bounded context; the envelope belongs to none."""
    context = of.__module__.removeprefix("schemas.")
    return "orderflow" if context == "message" else f"orderflow.{context}"


def fullname(of: type) -> str:
    return f"{namespace(of)}.{of.__name__}"


def avro_schema(record: type[Record]) -> Schema:
    """The schema of a message or of a query's answer, self-contained, with a doc on every field."""
    return _record(record, set())


def canonical(schema: Schema) -> str:
    """One text for one schema, whatever made it."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _record(record: type[Record], defined: set[str]) -> Schema:
    defined.add(fullname(record))
    # The envelope is declared first, by the base class, and travels last: a stranger reads the business first.
    fields = sorted(record.model_fields.items(), key=lambda item: item[0] == "meta")
    return {
        "type": "record",
        "name": record.__name__,
        "namespace": namespace(record),
        "doc": _sentence(record.__doc__),
        "fields": [_field(record, name, field, defined) for name, field in fields],
    }


def _field(record: type[Record], name: str, field: FieldInfo, defined: set[str]) -> Schema:
    if not field.description:
        raise TypeError(f"{record.__name__}.{name} has no description: the contract is read by strangers")
    schema: Schema = {"name": name, "type": _type(field.annotation, field.metadata, defined)}
    schema["doc"] = " ".join([field.description, *_limits(field.annotation, field.metadata)])
    if field.default is not PydanticUndefined:
        schema["default"] = field.default
    return schema


def _type(annotation: Any, metadata: list[Any], defined: set[str]) -> Any:
    logical = next((_LOGICAL[item] for item in metadata if isinstance(item, Logical)), None)
    if logical is not None:
        return logical
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], list(arguments[1:]), defined)
    if origin in {Union, UnionType}:
        (present,) = (each for each in arguments if each is not NoneType)
        return ["null", _type(present, [], defined)]
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0], [], defined)}
    if issubclass(annotation, Record):
        name = fullname(annotation)
        return name if name in defined else _record(annotation, defined)
    if issubclass(annotation, Symbols):
        return _enum(annotation, defined)
    return _PRIMITIVES[annotation]


def _enum(symbols: type[Symbols], defined: set[str]) -> Any:
    if fullname(symbols) in defined:
        return fullname(symbols)
    defined.add(fullname(symbols))
    return {
        "type": "enum",
        "name": symbols.__name__,
        "namespace": namespace(symbols),
        "doc": _sentence(symbols.__doc__),
        "symbols": [symbol.value for symbol in symbols],
        "default": UNRECOGNIZED,
    }


def _limits(annotation: Any, metadata: list[Any]) -> list[str]:
    """What Avro can't say, said in words."""
    for argument in get_args(annotation):
        if get_origin(argument) is Annotated:
            metadata = [*metadata, *get_args(argument)[1:]]
    flat = [each for item in metadata for each in (item.metadata if isinstance(item, FieldInfo) else [item])]
    if any(isinstance(item, Logical) for item in flat):
        return []
    words = []
    for item in flat:
        match item:
            case Ge(ge=bound) if bound != -INT_MAX - 1:
                words.append(f"At least {bound}.")
            case Le(le=bound) if bound != INT_MAX:
                words.append(f"At most {bound}.")
            case MaxLen(max_length=length):
                words.append(f"At most {length} characters.")
            case StringConstraints(pattern=pattern) if pattern:
                words.append(f"Matches {pattern}.")
    return words


def _sentence(doc: str | None) -> str:
    return " ".join((doc or "").split())


def without(schema: Any, attributes: frozenset[str]) -> Any:
    """The same schema, written by anyone, without these attributes at any depth."""
    match schema:
        case list():
            return [without(each, attributes) for each in schema]
        case dict():
            # A default is a value, not a schema: what is in it is nobody's attribute.
            return {
                name: each if name == "default" else without(each, attributes)
                for name, each in schema.items()
                if name not in attributes
            }
    return schema
