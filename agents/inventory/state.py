"""What is kept of a reservation: as much as it has products."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from schemas.inventory import ReleaseReason, Shortage


class Status(StrEnum):
    """Where a reservation is on its way."""

    #: Some products have not answered yet.
    HOLDING = "HOLDING"
    #: The same, of an order that is confirmed already: what is held will be sold.
    CONFIRMING = "CONFIRMING"
    #: The same, of a reservation that was called off: what is held will be freed.
    RELEASING = "RELEASING"
    #: All is held, until the order is confirmed or the time is up.
    RESERVED = "RESERVED"
    #: The order is confirmed: the pieces have left the stock.
    TAKEN = "TAKEN"
    #: Something was short, so nothing is held.
    REFUSED = "REFUSED"
    #: The time was up, so nothing is held. Nobody has called the order off, so it may still be confirmed.
    EXPIRED = "EXPIRED"
    #: Called off, for good.
    RELEASED = "RELEASED"


class Reservation(msgspec.Struct, frozen=True):
    """The pieces of one checkout."""

    id: str
    #: Unknown where the release came first.
    cart_id: str | None
    status: Status
    #: Millis: when it was reserved, or else when it came to its end.
    since: int
    #: Product -> pieces that were asked for and not answered yet.
    awaited: Mapping[str, int] = msgspec.field(default_factory=dict)
    #: Product -> pieces that are held or were sold; of an expired or released one, what it gave back.
    held: Mapping[str, int] = msgspec.field(default_factory=dict)
    #: What there was too little of.
    short: tuple[Shortage, ...] = ()
    #: Why it was, or will be, given back.
    reason: ReleaseReason = ReleaseReason.EXPIRED
