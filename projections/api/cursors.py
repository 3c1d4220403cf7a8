"""Where a page ended, as text that a client hands back and needs not understand."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

_PLACE = struct.Struct(">q16s")
_CHECK_BYTES = 6


class Place(NamedTuple):
    """The last entry of a page, newest first: when it came to be, in millis, and its id."""

    at: int
    id: str


class CursorError(ValueError):
    """No cursor of ours, or of another list."""


def encoded(place: Place, of: str) -> str:
    """`of`: which list, with all that narrows it. A cursor of another list would skip entries without a word."""
    packed = _PLACE.pack(place.at, UUID(place.id).bytes)
    return urlsafe_b64encode(packed + _check(packed, of)).decode()


def decoded(cursor: str, of: str) -> Place:
    """Raises CursorError."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii"))
        packed, check = raw[: _PLACE.size], raw[_PLACE.size :]
        at, id_ = _PLACE.unpack(packed)
    except (ValueError, struct.error) as error:
        raise CursorError("it is no cursor of ours") from error
    # The alphabet of base64 leaves room: several texts would mean one place.
    if check != _check(packed, of) or encoded(Place(at, str(UUID(bytes=id_))), of) != cursor:
        raise CursorError("it is of another list, or was changed")
    return Place(at, str(UUID(bytes=id_)))


def _check(packed: bytes, of: str) -> bytes:
    return blake2b(packed + of.encode(), digest_size=_CHECK_BYTES).digest()
