"""What is kept of an order, and where it may go from each status."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from schemas.orders import CancellationReason, OrderRejectionReason

_DAY = 24 * 60 * 60 * 1_000
#: How long an order that has ended stays, and answers repeats.
TERMINAL_STAYS = 30 * _DAY


class Status(StrEnum):
    """The four in the middle are the contract's own."""

    #: Nobody has said anything of it.
    UNKNOWN = "UNKNOWN"
    #: From outside; the checkout that will create it runs.
    PLACED = "PLACED"
    CREATED = "CREATED"
    CONFIRMED = "CONFIRMED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    #: It was never right, and under this id it never will be.
    REJECTED = "REJECTED"


NEXT: Mapping[Status, frozenset[Status]] = {
    Status.UNKNOWN: frozenset({Status.PLACED, Status.CREATED, Status.CANCELLED, Status.REJECTED}),
    Status.PLACED: frozenset({Status.CREATED, Status.CANCELLED}),
    Status.CREATED: frozenset({Status.CONFIRMED, Status.CANCELLED}),
    Status.CONFIRMED: frozenset({Status.COMPLETED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.REJECTED: frozenset({Status.CANCELLED}),
}
#: Statuses of an order that exists: only between these a transition is counted and told.
PUBLIC = frozenset({Status.CREATED, Status.CONFIRMED, Status.COMPLETED, Status.CANCELLED})
#: A checkout lives for minutes: an order that stays placed is one whose checkout failed, and CheckoutFailed said so.
PASSING = frozenset({Status.PLACED, Status.COMPLETED, Status.CANCELLED, Status.REJECTED})


class Line(NamedTuple):
    """So many pieces of one product."""

    product_id: str
    quantity: int
    unit_price: int


class Purchase(msgspec.Struct, frozen=True):
    """Who buys what, and for how much. Two orders of one id are the same if this is."""

    cart_id: str
    customer_id: str
    lines: tuple[Line, ...]
    total: int
    currency: str


#: Of an order that was cancelled, rejected or asked about before anybody said what it is.
NOTHING = Purchase("", "", (), 0, "")


class Confirmation(msgspec.Struct, frozen=True):
    """What it was confirmed with."""

    at: int
    authorization_id: str | None
    reservation_id: str | None


class Cancellation(msgspec.Struct, frozen=True):
    """What it was called off for, the first time."""

    at: int
    reason: CancellationReason


class Rejection(msgspec.Struct, frozen=True):
    """Why it never came to be."""

    at: int
    reason: OrderRejectionReason
    detail: str


class Order(msgspec.Struct, frozen=True):
    """All that its answers are made of: a repeated request gets the same one."""

    order_id: str
    status: Status = Status.UNKNOWN
    #: How many transitions were told.
    sequence: int = 0
    purchase: Purchase = NOTHING
    #: A digest of the PlaceOrder that it came from, if it came from one.
    placed_as: str = ""
    created_at: int = 0
    authorization_id: str | None = None
    confirmation: Confirmation | None = None
    cancellation: Cancellation | None = None
    rejection: Rejection | None = None
    #: When it is forgotten; None while it lives.
    stays_until: int | None = None

    def may_become(self, status: Status) -> bool:
        return status in NEXT[self.status]
