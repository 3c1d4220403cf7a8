"""Bytes of a record to a message of ours, and back: Avro behind the five bytes of Confluent's framing.

A record is read by the schema it was written with, resolved to ours, so an older or a newer producer reads right.
Values stay as they travel (ids are strings, times are millis): schemas lose their logical types before fastavro sees
them, else it would build UUIDs and datetimes that nobody asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from reprlib import repr as clipped
from struct import Struct
from typing import Any, cast

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from pydantic import ValidationError

from schemas.avsc import Schema, avro_schema, fullname, without
from schemas.catalogue import BY_FULLNAME
from schemas.message import Message
from schemas.types import UNRECOGNIZED, Symbols
from streams.errors import UnpublishableError
from streams.hazards import hazard
from streams.registry import Registry, subject_of

MAGIC = 0
_FRAMING = Struct(">BI")
#: Which branch of the envelope's union follows.
_NO_ENVELOPE, _AN_ENVELOPE = b"\x00", b"\x02"
NOT_ON_THE_WIRE = frozenset({"doc", "logicalType"})


class Reason(StrEnum):
    """Why a record can't be a message."""

    NO_VALUE = "no value"
    TRUNCATED = "truncated"
    WRONG_MAGIC = "wrong magic byte"
    UNKNOWN_SCHEMA = "unknown schema id"
    FOREIGN_SCHEMA = "not a schema of the contract"
    UNREADABLE = "does not match its schema"
    TRAILING_BYTES = "trailing bytes"
    INVALID = "does not match the contract"


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record that will never be a message, and why. It is a value: a bad record is no reason to stop."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


_TOMBSTONE = Undecodable(Reason.NO_VALUE, "a tombstone is no message")


@dataclass(frozen=True, slots=True)
class _Reading:
    """All that it takes to read what was written with one schema id."""

    type: type[Message]
    writer: Schema
    #: None where the writer's schema is ours: nothing to resolve.
    reader: Schema | None
    validate: Callable[[Any], Message]


@dataclass(frozen=True, slots=True)
class _Writing:
    """All that it takes to write one type of message."""

    framing: bytes
    #: Of all fields but the last, which is the envelope: as a part of a union fastavro would check it against each
    #: branch, and that takes as long as all the rest.
    schema: Schema
    envelope: Schema
    dump: Callable[[Message], dict[str, Any]]


class Codec:
    """Asks the registry once per schema id and once per type of message; after that it is all in memory.

    Every method may raise RegistryError, which is about the registry, never about the record: wait and try again.
    """

    def __init__(self, registry: Registry, environment: str, types: Mapping[str, type[Message]] = BY_FULLNAME) -> None:
        self._registry = registry
        self._environment = environment
        self._types = types
        # By the five bytes of framing as they stand: one look-up checks length, magic byte and id.
        self._readings: dict[bytes, _Reading | Undecodable] = {}
        self._writings: dict[type[Message], _Writing] = {}

    def type_of(self, value: bytes | None) -> type[Message] | Undecodable:
        """What a record is, without reading it: skip what you don't consume."""
        if value is None:
            return _TOMBSTONE
        reading = self._reading(value)
        return reading if isinstance(reading, Undecodable) else reading.type

    def decode(self, value: bytes | None, key: str = "") -> Message | Undecodable:
        """`key`: of its record. Where it may stand in the message, too, and does not, it is filled in.

        Where another stands there, the record is refused.
        """
        if value is None:
            return _TOMBSTONE
        reading = self._reading(value)
        if isinstance(reading, Undecodable):
            return reading
        body = BytesIO(value)
        body.seek(_FRAMING.size)
        try:
            fields: Any = schemaless_reader(body, reading.writer, reading.reader)
        except Exception as cause:  # noqa: BLE001 - the ways in which fastavro fails on arbitrary bytes are an open set
            return _unreadable(reading, cause, ended=body.tell() >= len(value))
        # fastavro stops where the schema does and leaves the rest unsaid.
        if (rest := len(value) - body.tell()) != 0:
            return Undecodable(Reason.TRAILING_BYTES, f"{rest} bytes after {reading.type.__name__}")
        named = reading.type.contract.key
        if key and named and fields[named] != key:
            if fields[named] is not None:
                # Whoever decides by the key would meet one state, whoever answers by the field another.
                detail = f"{reading.type.__name__}.{named} is {fields[named]!r:.100}, its record's key {key!r:.100}"
                return Undecodable(Reason.INVALID, f"{detail}: they must be the same")
            fields[named] = key
        try:
            return reading.validate(fields)
        except ValidationError as cause:
            return Undecodable(Reason.INVALID, _violations(reading.type, cause))

    def encode(self, message: Message, meta: Mapping[str, Any] | None = None) -> bytes:
        """With the envelope of `meta`, or else its own. Raises UnpublishableError for what nobody could read."""
        writing = self._writings.get(type(message)) or self._prepare(type(message))
        body = BytesIO()
        body.write(writing.framing)
        try:
            fields = writing.dump(message)
            schemaless_writer(body, writing.schema, fields, disable_tuple_notation=True)
            envelope = fields["meta"] if meta is None else meta
            if envelope is None:
                body.write(_NO_ENVELOPE)
            else:
                body.write(_AN_ENVELOPE)
                schemaless_writer(body, writing.envelope, envelope, disable_tuple_notation=True)
        except (ValueError, TypeError) as cause:
            raise _refusal(message) from cause
        return body.getvalue()

    def _reading(self, value: bytes) -> _Reading | Undecodable:
        return self._readings.get(value[: _FRAMING.size]) or self._resolve(value)

    def _resolve(self, value: bytes) -> _Reading | Undecodable:
        if len(value) < _FRAMING.size:
            return Undecodable(Reason.TRUNCATED, f"{len(value)} bytes, and the framing alone takes {_FRAMING.size}")
        magic, schema_id = _FRAMING.unpack_from(value)
        if magic != MAGIC:
            return Undecodable(Reason.WRONG_MAGIC, f"{magic} where Confluent's framing has {MAGIC}")
        schema = self._registry.schema_of(schema_id)
        if schema is None:
            # Not remembered: a registry with several nodes may know the id a moment later.
            return Undecodable(Reason.UNKNOWN_SCHEMA, f"the registry has no schema {schema_id}")
        reading = self._readings[value[: _FRAMING.size]] = self._understand(schema_id, schema)
        return reading

    def _understand(self, schema_id: int, schema: Schema) -> _Reading | Undecodable:
        try:
            writer = _parsed(schema)
            declared = self._types.get(writer["name"])
        except Exception as cause:  # noqa: BLE001 - a stranger's schema; fastavro's failures are an open set
            return Undecodable(Reason.FOREIGN_SCHEMA, f"schema {schema_id}: {type(cause).__name__}: {cause}")
        if declared is None:
            return Undecodable(Reason.FOREIGN_SCHEMA, f"schema {schema_id} is of {writer['name']}")
        if danger := hazard(writer):
            return Undecodable(Reason.FOREIGN_SCHEMA, f"schema {schema_id} of {writer['name']}: {danger}")
        ours = _parsed(avro_schema(declared))
        return _Reading(
            declared, writer, None if writer == ours else ours, declared.__pydantic_validator__.validate_python
        )

    def _prepare(self, message: type[Message]) -> _Writing:
        schema = avro_schema(message)
        schema_id = self._registry.id_of(subject_of(message, self._environment), schema)
        *fields, meta = schema["fields"]
        _, envelope = meta["type"]
        writing = self._writings[message] = _Writing(
            _FRAMING.pack(MAGIC, schema_id),
            _refusing_unrecognized(_parsed({**schema, "fields": fields})),
            _parsed(envelope),
            message.__pydantic_serializer__.to_python,
        )
        return writing


def _parsed(schema: Schema) -> Schema:
    # Its own names: fastavro would else let a version of a schema find the parts of another one.
    return cast("Schema", parse_schema(without(schema, NOT_ON_THE_WIRE), {}))


def _refusing_unrecognized(parsed: Schema) -> Schema:
    """The same bytes, but an UNRECOGNIZED has no symbol to be written as. That costs nothing per message."""
    for named in parsed["__named_schemas"].values():
        if named["type"] == "enum":
            named["symbols"] = [None if symbol == UNRECOGNIZED else symbol for symbol in named["symbols"]]
    return parsed


def _unreadable(reading: _Reading, cause: Exception, *, ended: bool) -> Undecodable:
    if ended and not isinstance(cause, SchemaResolutionError):
        return Undecodable(Reason.TRUNCATED, f"it ends before {reading.type.__name__} does")
    return Undecodable(Reason.UNREADABLE, f"{reading.type.__name__}: {type(cause).__name__}: {cause}")


def _refusal(message: Message) -> UnpublishableError:
    name, fields = fullname(type(message)), message.model_dump(warnings=False)
    for path in _unrecognized(fields):
        return UnpublishableError(name, path, UNRECOGNIZED)
    try:
        message.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        return UnpublishableError(name, ".".join(map(str, first["loc"])), first["input"])
    raise TypeError(f"{name} is valid, but its schema can't carry {fields}")


def _unrecognized(value: Any, path: str = "") -> Iterator[str]:
    match value:
        case Symbols() if value == UNRECOGNIZED:
            yield path
        case dict():
            for name, each in value.items():
                yield from _unrecognized(each, f"{path}.{name}" if path else name)
        case tuple():
            for index, each in enumerate(value):
                yield from _unrecognized(each, f"{path}[{index}]")


def _violations(message: type[Message], error: ValidationError) -> str:
    # Clipped: whoever reads this has the record's bytes beside it, and a bad record may be bad ten thousand times.
    return "; ".join(
        f"{message.__name__}.{'.'.join(map(str, each['loc']))}: {each['msg']}, not {clipped(each['input'])}"
        for each in error.errors(include_url=False, include_context=False)[:3]
    )
