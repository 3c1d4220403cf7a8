"""The mark of a copy: a record that was published again, long after what was decided on it.

Whoever decides leaves it alone, wherever it lies: the decision was made, and what it said lies on its own topics, from
which it can be copied as well. Whoever derives something from facts (read models, exports) takes it for what it is: a
repeat where the origin is on the very topic that it was read from, else a record like any other.
"""

from collections.abc import Iterable

import msgspec

#: A header, whatever its value: its name alone keeps a record from being decided on.
MARK = "ce_replay"

Header = tuple[str, bytes | None]


class Origin(msgspec.Struct, frozen=True, rename="camel"):
    """Where the record lay when it was new: a copy of a copy tells of the first place."""

    topic: str
    #: Of two topics of one name, made one after the other, which.
    topic_id: str
    partition: int
    offset: int
    #: Which run of `orderflow replay` made the copy.
    run: str


_DECODER = msgspec.json.Decoder(Origin)


def is_copy(headers: Iterable[Header]) -> bool:
    return any(name == MARK for name, _ in headers)


def mark(origin: Origin) -> Header:
    return MARK, msgspec.json.encode(origin)


def origin_of(headers: Iterable[Header]) -> Origin | None:
    """None for what is no copy, and for one whose mark says nothing that we could read."""
    for name, value in headers:
        if name == MARK:
            try:
                return _DECODER.decode(value or b"")
            except msgspec.DecodeError:
                return None
    return None
