"""What is kept of a cart."""

from enum import StrEnum

import msgspec

_DAY = 24 * 60 * 60 * 1_000
#: Millis for which a cart stays that was bought: long after a repeat can come.
TERMINAL_STAYS = _DAY
#: Millis after which a cart is forgotten that nobody touches. No checkout is under way for so long.
IDLE_STAYS = 30 * _DAY


class Status(StrEnum):
    """Where a cart is on its way."""

    OPEN = "OPEN"
    #: Handed over: it is what the customer agreed to pay, so nothing of it changes until that has come to an end.
    CHECKED_OUT = "CHECKED_OUT"
    BOUGHT = "BOUGHT"


class Line(msgspec.Struct, frozen=True):
    """Some pieces of one product."""

    product_id: str
    quantity: int
    #: Of one piece, in minor units, when some were added last. It is priced anew when the cart is checked out.
    unit_price: int


class Cart(msgspec.Struct, frozen=True):
    cart_id: str
    #: Tells it from a cart of the same id that was forgotten: their checkouts must not have the same names.
    opened_at: int
    status: Status = Status.OPEN
    lines: tuple[Line, ...] = ()
    #: Of all lines; means nothing while there are none.
    currency: str = ""
    #: How often it was checked out.
    checkouts: int = 0
    #: That of the command by which it was checked out last, where it said: every answer to that carries it on.
    conversation: str | None = None
    #: Checkouts of it that are known to have failed, the latest last.
    failed: tuple[str, ...] = ()
    bought_at: int = 0

    def line(self, product_id: str) -> Line | None:
        return next((line for line in self.lines if line.product_id == product_id), None)

    def expires(self, at: int) -> int:
        """When it is forgotten if nobody touches it after `at`; once it is bought, whoever touches it."""
        return self.bought_at + TERMINAL_STAYS if self.status is Status.BOUGHT else at + IDLE_STAYS
