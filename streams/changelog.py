"""Records of a changelog: what became of a key with all that it owes, and the markers of who owns the partition.

Each is a msgpack array whose first element names its kind and format. What comes to be added goes to the end and has a
default; what changes gets a new number.

A tombstone carries no epoch, so the owner's can't be told from a stranger's: it may only follow a record that forgot
its key and owes nothing, so that compaction drops that one. By itself it changes nothing of what is known of a key.
"""

from typing import NamedTuple

import msgspec

from schemas.errors import OrderflowError
from streams.packing import ENCODER, decoder

#: Of the records that speak of the partition as a whole; so no key of a service may be this.
MARKER_KEY = b"\0"


class Place(NamedTuple):
    """Where a record of a changelog lies."""

    topic: str
    partition: int
    offset: int
    key: bytes

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}, key {self.key!r}"


class ChangelogError(OrderflowError):
    """A record that can't be read. Recovery must stop: to skip it would be to forget what was decided."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(f"{place}: {problem}; if newer code wrote it, deploy that code again, else restore the topic")
        self.place = place


class Output(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record to be sent."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Owed(NamedTuple):
    """An output that has to be on its topic before its round counts as paid."""

    round: int
    output: Output
    #: Among all outputs of the round, which are of many keys.
    place: int = 0


class Record(msgspec.Struct, tag=1, array_like=True, frozen=True, gc=False):
    """A key's decisions of one round."""

    #: Of the owner that wrote it.
    epoch: int
    round: int
    #: All outputs up to this round were acknowledged when it was written.
    paid: int
    #: As `StateCodec` writes it; empty where the key is forgotten.
    entry: bytes
    #: Those of earlier rounds, too, that were not known to be paid.
    owed: tuple[Owed, ...] = ()


class Marker(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """An owner's claim of the partition, or its word of what is paid."""

    epoch: int
    paid: int
    #: The last round of which the owner knows.
    round: int
    #: Input topic -> how often it was made anew so far, and its present id: offsets of another one mean nothing.
    topics: dict[str, tuple[int, str]]


_DECODER = decoder(Record | Marker)


def encode(record: Record | Marker) -> bytes:
    return ENCODER.encode(record)


def decode(place: Place, value: bytes | None) -> Record | Marker | None:
    """None for a tombstone. Raises ChangelogError."""
    if value is None:
        return None
    try:
        record: Record | Marker = _DECODER.decode(value)
    except ValueError as cause:
        raise ChangelogError(place, f"it can't be read: {cause}") from cause
    if isinstance(record, Marker) != (place.key == MARKER_KEY):
        raise ChangelogError(place, f"a {type(record).__name__.lower()} under this key")
    return record
