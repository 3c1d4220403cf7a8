"""What is kept of a key, as bytes: for the changelog and the local store, where newer code will find it.

    format u8 | flags u8 | version of the state u16 | due i64, -1 for never | the entry, a msgpack array

Numbers are big-endian. The head has fixed places, so that a scan finds what is due, or asked of the outside, without
decoding an entry. Within the array the state is a map of its fields, which upcasters lift from version to version.
"""

from operator import attrgetter
from struct import Struct
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from schemas.errors import OrderflowError
from schemas.message import Meta
from streams.packing import ENCODER, decoder, unfit
from streams.service import Service
from streams.step import Entry, Parked

S = TypeVar("S")

FORMAT = 1
_HEAD = Struct(">BBHq")
_PENDING, _PARKED = 1, 2
_NEVER = -1

_META = tuple(Meta.model_fields)
_fields_of = attrgetter(*_META)
_meta = Meta.__pydantic_validator__.validate_python
_UNTYPED = decoder(list[Any])


class StateError(OrderflowError):
    """A state that can't be written or read. Going on without it would lose what was decided."""


class Header(NamedTuple):
    """What an encoded entry says at a glance."""

    #: Of the state's shape.
    version: int
    #: Millis at which something has to happen to the key by itself.
    due: int | None
    #: Whether the outside was asked for something and has not answered.
    pending: bool
    #: Whether records wait behind one that can't be decided yet.
    parked: bool


def header(raw: bytes) -> Header:
    if len(raw) < _HEAD.size or raw[0] != FORMAT:
        raise StateError(
            f"an entry begins with 0x{raw[: _HEAD.size].hex()}, which is not of format {FORMAT}; "
            "if newer code wrote it, deploy that code again"
        )
    _, flags, version, due = _HEAD.unpack_from(raw)
    return Header(version, None if due == _NEVER else due, bool(flags & _PENDING), bool(flags & _PARKED))


class _Array(msgspec.Struct, Generic[S], array_like=True, frozen=True, gc=False):
    """An entry as it is laid out. What comes to be added goes to the end and has a default: old entries lack it."""

    version: int
    state: S | None
    timer: int | None
    absorbed: dict[str, int]
    heard: dict[str, dict[str, tuple[int, int]]]
    #: By id: the name of the effect's type, and its fields.
    pending: dict[str, tuple[str, Raw]]
    #: The fields of a Meta, in their order.
    origin: tuple[str | None, ...] | None
    expires: int | None
    parked: tuple[tuple[str, int, int, bytes | None, tuple[tuple[str, bytes | None], ...], bool], ...]
    retry_at: int | None
    attempts: int


_STATE = _Array.__struct_fields__.index("state")


class StateCodec(Generic[S]):
    """Of one service. Every method raises StateError, and takes the key for its sake."""

    def __init__(self, service: Service[S, Any]) -> None:
        """Refuses a service with a type that can't make the round trip."""
        kinds = (service.state, *service.effects)
        if problems := [problem for kind in kinds for problem in unfit(kind, kind.__name__)]:
            raise StateError(f"service {service.name}: {'; '.join(problems)}")
        self._service = service
        self._decoder = decoder(_Array[service.state])  # type: ignore[name-defined]  # a type of run time
        self._effects = {effect.__name__: decoder(effect) for effect in service.effects}

    def encode(self, key: str, entry: Entry[S]) -> bytes:
        due = entry.due
        flags = (_PENDING if entry.pending else 0) | (_PARKED if entry.parked else 0)
        array = (
            entry.version,
            entry.state,
            entry.timer,
            entry.absorbed,
            entry.heard,
            {effect_id: (type(effect).__name__, effect) for effect_id, effect in entry.pending.items()},
            None if entry.origin is None else _fields_of(entry.origin),
            entry.expires,
            entry.parked,
            entry.retry_at,
            entry.attempts,
        )
        try:
            body = ENCODER.encode(array)
        except (TypeError, ValueError, OverflowError) as cause:
            raise StateError(f"{self._service.name}: the state of {key} can't be written: {cause}") from cause
        return _HEAD.pack(FORMAT, flags, self._service.version, _NEVER if due is None else due) + body

    def decode(self, key: str, raw: bytes) -> Entry[S]:
        version, body = header(raw).version, raw[_HEAD.size :]
        if version != self._service.version:
            body = self._lifted(key, version, body)
        try:
            array = self._decoder.decode(body)
            return Entry(
                array.version,
                array.state,
                array.timer,
                array.absorbed,
                array.heard,
                {effect_id: self._effect(*each) for effect_id, each in array.pending.items()},
                # A Meta of fewer fields is an older one.
                None if array.origin is None else _meta(dict(zip(_META, array.origin, strict=False))),
                array.expires,
                tuple(Parked(*each) for each in array.parked),
                array.retry_at,
                array.attempts,
            )
        except ValueError as cause:
            advice = "a change of its type needs a version and an upcaster; deploy the code that wrote it, or newer"
            raise self._error(key, version, f"can't be read: {cause}", advice) from cause

    def _effect(self, name: str, fields: Raw) -> Any:
        if name not in self._effects:
            raise ValueError(f"it waits for the effect {name}, which the service doesn't list any more")
        return self._effects[name].decode(fields)

    def _lifted(self, key: str, version: int, body: bytes) -> bytes:
        """The same entry, its state as code of our version would have written it."""
        service = self._service
        if version > service.version:
            problem = f"is newer than this code, which knows versions up to {service.version}"
            raise self._error(key, version, problem, "deploy the code that wrote it, or newer")
        if version not in service.upcasters:
            problem = f"is too old: upcasters begin at {min(service.upcasters)}"
            raise self._error(key, version, problem, "deploy code that has the upcasters before it, first")
        try:
            array = _UNTYPED.decode(body)
            if array[_STATE] is not None:
                for each in range(version, service.version):
                    array[_STATE] = service.upcasters[each](array[_STATE])
            return ENCODER.encode(array)
        except Exception as cause:
            problem = f"can't be lifted to {service.version}: {type(cause).__name__}: {cause}"
            raise self._error(key, version, problem, "mend the upcaster and deploy it") from cause

    def _error(self, key: str, version: int, problem: str, advice: str) -> StateError:
        return StateError(f"{self._service.name}: the state of {key}, of version {version}, {problem}; {advice}")
