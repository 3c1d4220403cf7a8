"""Values of a service's own types as msgpack, and back equal to what they were."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec.msgpack import Decoder, Encoder

from schemas.message import Message, Record

_LEAVES = frozenset({int, str, bool, float, bytes, NoneType})
_CONTAINERS = frozenset({tuple, list, dict, Mapping, set, frozenset})


def _to_builtins(value: Any) -> Any:
    """What msgspec doesn't know: parts of the contract, and read-only dicts."""
    if isinstance(value, Record):
        return value.__pydantic_serializer__.to_python(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"it holds {value!r}, a {type(value).__name__}")


def _from_builtins(kind: type[Record], builtins: Any) -> Any:
    return kind.__pydantic_validator__.validate_python(builtins)


#: Structs and dataclasses become maps of their fields, tuples arrays.
ENCODER = Encoder(enc_hook=_to_builtins)


def decoder(kind: Any) -> Decoder[Any]:
    return Decoder(kind, dec_hook=_from_builtins)


def unfit(kind: Any, path: str) -> Iterator[str]:
    """What in a type would not come back as it was; each with its place."""
    yield from _unfit(kind, path, frozenset())


def _unfit(kind: Any, path: str, within: frozenset[type]) -> Iterator[str]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _unfit(arguments[0], path, within)
    elif origin in {Union, UnionType} or origin in _CONTAINERS:
        inner = [problem for each in arguments if each is not ... for problem in _unfit(each, path, within)]
        yield from inner or _indistinct(kind, path)
    elif parts := _fields(kind):
        if kind not in within:  # a type that holds itself
            for name, each in parts.items():
                yield from _unfit(each, f"{path}.{name}", within | {kind})
    elif kind in _LEAVES or origin is Literal or _is_concrete(kind):
        yield from _indistinct(kind, path)
    else:
        yield f"{path} is {getattr(kind, '__name__', kind)}, which bytes don't tell apart from others"


def _indistinct(kind: Any, path: str) -> Iterator[str]:
    try:
        decoder(kind)
    except TypeError as cause:
        yield f"{path}: {cause}"


def _fields(kind: Any) -> dict[str, Any]:
    """Of a struct, a dataclass or a named tuple; what else such a class annotates is no part of its values."""
    names: tuple[str, ...]
    if is_dataclass(kind):
        names = tuple(each.name for each in fields(kind))
    else:
        names = getattr(kind, "__struct_fields__", ()) or getattr(kind, "_fields", ())
    hints = get_type_hints(kind, include_extras=True) if names else {}
    return {name: hints[name] for name in names}


def _is_concrete(kind: Any) -> bool:
    """A field of a mere base, like Message, takes values of which nobody would know what they were."""
    if not isinstance(kind, type):
        return False
    if issubclass(kind, Message):
        return hasattr(kind, "contract")
    return (issubclass(kind, Record) and kind is not Record) or (issubclass(kind, Enum) and kind is not Enum)
