"""The participants of one checkout, reduced to what they promise.

A request that is repeated is answered again; an undo is always answered, and one that overtakes what it undoes leaves
a tombstone. Whether a request goes well is said from outside.
"""

from enum import StrEnum, auto

from schemas.examples import example_of
from schemas.inventory import ReserveInventory
from schemas.message import Message
from schemas.orders import CancelOrder, ConfirmOrder, CreateOrder, OrderCancellationRejected, OrderConfirmed
from schemas.payments import AuthorizePayment, CapturePayment, RefundPayment, VoidPayment
from tests.agents.orchestrator.story import (
    CANCELLED,
    CAPTURED,
    CONFIRMED,
    CREATED,
    DECLINED,
    EXPIRED,
    NOT_CAPTURED,
    PENDING,
    PROCESSED,
    REFUNDED,
    REJECTED,
    RELEASED,
    RESERVED,
    UNAVAILABLE,
    VOIDED,
)

BOUGHT = example_of(OrderCancellationRejected)
Answers = tuple[Message, ...]


class Stock(StrEnum):
    UNKNOWN = auto()
    HELD = auto()
    SHORT = auto()
    EXPIRED = auto()
    SOLD = auto()
    RELEASED = auto()


class Inventory:
    def __init__(self) -> None:
        self.status = Stock.UNKNOWN

    def hear(self, message: Message, *, well: bool) -> Answers:
        match message, self.status:
            case ReserveInventory(), Stock.UNKNOWN:
                self.status = Stock.HELD if well else Stock.SHORT
                return (RESERVED if well else UNAVAILABLE,)
            case ReserveInventory(), Stock.HELD | Stock.SOLD:
                return (RESERVED,)
            case ReserveInventory(), _:
                return (UNAVAILABLE,)
            case OrderConfirmed(), Stock.HELD | Stock.EXPIRED:
                # The goods of a reservation that expired are sought anew, and here they are always found.
                self.status = Stock.SOLD
            case OrderConfirmed(), _:
                pass
            case _:
                self.status = Stock.RELEASED
                return (RELEASED,)
        return ()

    def expire(self) -> Answers:
        if self.status is not Stock.HELD:
            return ()
        self.status = Stock.EXPIRED
        return (EXPIRED,)


class Money(StrEnum):
    UNKNOWN = auto()
    ASKED = auto()
    HELD = auto()
    DECLINED = auto()
    TAKING = auto()
    NOT_TAKEN = auto()
    TAKEN = auto()
    VOIDED = auto()
    REFUNDED = auto()


class Payments:
    """Its gateway takes its time. What is to be undone meanwhile waits for the gateway, and only then is answered."""

    def __init__(self) -> None:
        self.status = Money.UNKNOWN
        self._undo = False

    def hear(self, message: Message, *, well: bool) -> Answers:
        match message:
            case AuthorizePayment():
                return self._authorize(well=well)
            case CapturePayment():
                return self._capture()
            case VoidPayment() | RefundPayment():
                return self._reverse()
            case _:
                return self._reverse() if message == CANCELLED else ()

    def gateway(self, *, well: bool) -> Answers:
        """It answers, if it was asked for something."""
        match self.status:
            case Money.ASKED:
                self.status = Money.HELD if well else Money.DECLINED
                told: Answers = (PROCESSED if well else DECLINED,)
            case Money.TAKING:
                self.status = Money.TAKEN if well else Money.NOT_TAKEN
                told = (CAPTURED if well else NOT_CAPTURED,)
            case _:
                return ()
        return (*told, *self._reverse()) if self._undo else told

    @property
    def busy(self) -> bool:
        return self.status in {Money.ASKED, Money.TAKING}

    def _authorize(self, *, well: bool) -> Answers:
        match self.status:
            case Money.UNKNOWN:
                self.status = Money.ASKED
                return () if well else (PENDING,)
            case Money.ASKED:
                return ()
            case Money.HELD | Money.TAKING | Money.TAKEN | Money.NOT_TAKEN:
                return (PROCESSED,)
            case _:
                return (DECLINED,)

    def _capture(self) -> Answers:
        match self.status:
            case Money.HELD:
                self.status = Money.TAKING
                return ()
            case Money.TAKING:
                return ()
            case Money.TAKEN:
                return (CAPTURED,)
            case _:
                return (NOT_CAPTURED,)

    def _reverse(self) -> Answers:
        match self.status:
            case Money.ASKED | Money.TAKING:
                self._undo = True
                return ()
            case Money.TAKEN | Money.REFUNDED:
                self.status = Money.REFUNDED
                return (REFUNDED,)
            case _:
                self.status = Money.VOIDED
                return (VOIDED,)


class Order(StrEnum):
    UNKNOWN = auto()
    CREATED = auto()
    CONFIRMED = auto()
    COMPLETED = auto()
    REJECTED = auto()
    CANCELLED = auto()


class Orders:
    def __init__(self) -> None:
        self.status = Order.UNKNOWN

    def hear(self, message: Message, *, well: bool) -> Answers:
        match message, self.status:
            case CreateOrder(), Order.UNKNOWN:
                self.status = Order.CREATED if well else Order.REJECTED
                return (CREATED if well else REJECTED,)
            case CreateOrder(), Order.CREATED | Order.CONFIRMED | Order.COMPLETED:
                return (CREATED,)
            case CreateOrder(), _:
                return (REJECTED,)
            case ConfirmOrder(), Order.CREATED:
                self.status = Order.CONFIRMED
                return (CONFIRMED,)
            case ConfirmOrder(), Order.CONFIRMED | Order.COMPLETED:
                return (CONFIRMED,)
            case ConfirmOrder(), _:
                return (CANCELLED,) if self.status is Order.CANCELLED else (REJECTED,)
            case CancelOrder(), Order.COMPLETED:
                return (BOUGHT,)
            case _:
                self.status = Order.CANCELLED
                return (CANCELLED,)

    def deliver(self) -> None:
        """The goods are with the customer."""
        if self.status is Order.CONFIRMED:
            self.status = Order.COMPLETED
