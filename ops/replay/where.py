"""`--where`: a field of a message, how to compare it, and with what. No language is behind it, so nothing runs."""

import difflib
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.replay.errors import UnclearError
from schemas.catalogue import RECORDS
from schemas.examples import example_of
from schemas.message import Message, Record

_EXPRESSION = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
#: Of the message as a whole: its name.
TYPE = "type"


@dataclass(frozen=True, slots=True)
class Condition:
    """A message without the field, or with nothing in it, meets no condition about it."""

    path: tuple[str, ...]
    sign: str
    text: str

    def holds(self, message: Message) -> bool:
        """Of several values, as a list has them, one is enough."""
        if self.path == (TYPE,):
            return _SIGNS[self.sign](type(message).__name__, self.text)
        return any(_SIGNS[self.sign](value, self._like(value)) for value in _values(message, self.path))

    def _like(self, value: object) -> Any:
        """Our text as what it is compared with."""
        if isinstance(value, bool):
            return self.text == "true"
        if isinstance(value, int | float):
            return _number(self.text)
        return self.text


def condition(expression: str, messages: Sequence[type[Message]] = RECORDS) -> Condition:
    """Raises UnclearError for what no message could ever meet."""
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise UnclearError(f"--where {expression!r}: say field, comparison and value, such as total>1000")
    name, sign, text = match.groups()
    found = Condition(tuple(name.split(".")), sign, text)
    if found.path == (TYPE,):
        _check_type(found, [message.__name__ for message in messages])
        return found
    values = [value for message in messages for value in _values(example_of(message), found.path)]
    if not values:
        fields = sorted({field for message in messages for field in message.model_fields})
        close = difflib.get_close_matches(found.path[0], fields, n=1)
        advice = f"did you mean {close[0]}?" if close and close[0] != name else "docs/catalogue.md lists them"
        raise UnclearError(f"--where {expression!r}: no message there has a field {name}; {advice}")
    for value in values:
        _check_value(expression, found, value)
    return found


def _check_type(found: Condition, names: Sequence[str]) -> None:
    if found.sign not in ("=", "!="):
        raise UnclearError(f"--where {TYPE}{found.sign}{found.text}: a type is compared with = or != only")
    if found.text not in names:
        close = difflib.get_close_matches(found.text, names, n=1)
        advice = f"did you mean {close[0]}?" if close else "docs/catalogue.md lists them"
        raise UnclearError(f"--where {TYPE}{found.sign}{found.text}: no such message travels there; {advice}")


def _check_value(expression: str, found: Condition, value: object) -> None:
    name = ".".join(found.path)
    if isinstance(value, bool):
        if found.sign not in ("=", "!=") or found.text not in ("true", "false"):
            raise UnclearError(f"--where {expression!r}: {name} is true or false, compared with = or != only")
    elif isinstance(value, int | float):
        try:
            _number(found.text)
        except ValueError:
            raise UnclearError(f"--where {expression!r}: {name} is a number, {found.text!r} is none") from None


def _number(text: str) -> int | float:
    # Amounts are whole and may be larger than what a float tells apart.
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _values(value: object, path: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, tuple):
        for each in value:
            yield from _values(each, path)
    elif not path:
        if value is not None and not isinstance(value, Record):
            yield value
    elif isinstance(value, Record) and path[0] in type(value).model_fields:
        yield from _values(getattr(value, path[0]), path[1:])
