"""Arbitrary valid messages, as Hypothesis strategies made from the declarations."""

from typing import Annotated, Any, TypeVar, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from hypothesis import strategies as st
from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from schemas.message import Record
from schemas.types import INT_MAX, UNRECOGNIZED, Logical, Symbols

T = TypeVar("T")


def records(of: type[Record]) -> st.SearchStrategy[Record]:
    fields = {name: _values(field.annotation, field.metadata) for name, field in of.model_fields.items()}
    return st.builds(of, **fields)


def _values(annotation: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(arguments[0], [*metadata, *arguments[1:]])
    if origin is tuple:
        return st.lists(_values(arguments[0], []), max_size=3, min_size=_limit(metadata, MinLen, 0)).map(tuple)
    if type(None) in arguments:
        (present,) = (each for each in arguments if each is not type(None))
        return st.none() | _values(present, [])
    if issubclass(annotation, Record):
        return records(annotation)
    if issubclass(annotation, Symbols):
        return st.sampled_from([symbol for symbol in annotation if symbol != UNRECOGNIZED])
    if annotation is bool:
        return st.booleans()
    if annotation is float:
        return st.floats(_limit(metadata, Ge, None), _limit(metadata, Le, None), allow_nan=False, allow_infinity=False)
    if annotation is int:
        return st.integers(_limit(metadata, Ge, -INT_MAX - 1), _limit(metadata, Le, INT_MAX))
    return _texts(metadata)


def _texts(metadata: list[Any]) -> st.SearchStrategy[str]:
    if Logical.UUID in metadata:
        return st.uuids().map(str)  # far faster than from the pattern
    for item in _flat(metadata):
        if isinstance(item, StringConstraints) and item.pattern is not None:
            return st.from_regex(item.pattern, fullmatch=True)
    return st.text(
        st.characters(codec="utf-8"), min_size=_limit(metadata, MinLen, 0), max_size=_limit(metadata, MaxLen, 20)
    )


def _limit(metadata: list[Any], kind: type, default: T) -> int | T:
    for item in _flat(metadata):
        if isinstance(item, kind):
            (name,) = (name for name in ("ge", "le", "min_length", "max_length") if hasattr(item, name))
            return int(getattr(item, name))
    return default


def _flat(metadata: list[Any]) -> list[Any]:
    return [each for item in metadata for each in (item.metadata if isinstance(item, FieldInfo) else [item])]
