"""What must hold of one checkout: its end, its order, its pieces, and what it says to have undone."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ops.audit.files import File
from ops.audit.violation import Rule, Violation
from ops.gateway.ledger import Movement
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutStarted, CheckoutStep, StartCheckout
from schemas.inventory import (
    FreeStock,
    InventoryReleased,
    InventoryReserved,
    ReturnStock,
    StockHeld,
    TakeStock,
)
from schemas.message import Message
from schemas.orders import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected, OrderStatusChanged, PlaceOrder
from schemas.payments import PaymentCaptured, PaymentOutcome, PaymentProcessed, PaymentVoided, RefundProcessed

#: What tells that a step was done; and what tells that nothing of it is left.
_DONE: dict[CheckoutStep, type[Message]] = {
    CheckoutStep.RESERVE_INVENTORY: InventoryReserved,
    CheckoutStep.AUTHORIZE_PAYMENT: PaymentProcessed,
    CheckoutStep.CREATE_ORDER: OrderCreated,
    CheckoutStep.CAPTURE_PAYMENT: PaymentCaptured,
    CheckoutStep.CONFIRM_ORDER: OrderConfirmed,
}
_UNDONE: dict[CheckoutStep, tuple[type[Message], ...]] = {
    CheckoutStep.RESERVE_INVENTORY: (InventoryReleased,),
    CheckoutStep.AUTHORIZE_PAYMENT: (PaymentVoided, RefundProcessed),
    CheckoutStep.CREATE_ORDER: (OrderCancelled,),
    CheckoutStep.CAPTURE_PAYMENT: (PaymentVoided, RefundProcessed),
    CheckoutStep.CONFIRM_ORDER: (OrderCancelled,),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One checkout, as its messages and the gateway's ledger tell it."""

    key: str
    said: File
    moved: Sequence[Movement]

    @property
    def stands(self) -> CheckoutCompleted | None:
        """Its end, if that was good and nobody has called the order off since."""
        completed = self.said.of(CheckoutCompleted)
        return completed[0] if completed and not self.said.of(OrderCancelled) else None

    def violation(self, rule: Rule, text: str, *kinds: type[Message]) -> Violation:
        return Violation(rule, self.key, text, self.said.several(*kinds))


def one_end_at_most(case: Case) -> Iterator[Violation]:
    if (ends := len(case.said.of(CheckoutCompleted)) + len(case.said.of(CheckoutFailed))) > 1:
        yield case.violation(Rule.ENDS_ONCE, f"it has {ends}", CheckoutCompleted, CheckoutFailed)


def has_an_end(case: Case) -> Iterator[Violation]:
    if case.said.of(CheckoutStarted) and not case.said.several(CheckoutCompleted, CheckoutFailed):
        yield case.violation(Rule.ENDS, "it was started and has no end", CheckoutStarted)


def is_taken_on(case: Case) -> Iterator[Violation]:
    said = case.said
    if said.of(StartCheckout) and not said.of(CheckoutStarted):
        yield case.violation(Rule.STARTS, "it was asked for and not started", StartCheckout)
    if said.of(PlaceOrder) and not said.several(StartCheckout, OrderRejected):
        text = "it was placed, and neither rejected nor checked out"
        yield case.violation(Rule.PLACED_ANSWERED, text, PlaceOrder)


def completed_is_paid_and_promised(case: Case) -> Iterator[Violation]:
    """That its pieces are sold and its money taken is seen where these are counted."""
    for end in case.said.of(CheckoutCompleted):
        wanting = [
            name
            for name, there in (
                ("InventoryReserved", case.said.of(InventoryReserved)),
                ("PaymentCaptured of its total", [m for m in case.said.of(PaymentCaptured) if m.amount == end.total]),
                ("OrderConfirmed of its total", [m for m in case.said.of(OrderConfirmed) if m.total == end.total]),
            )
            if not there
        ]
        if wanting:
            text = f"it is completed without {', '.join(wanting)}"
            yield case.violation(Rule.COMPLETED_FOR_GOOD, text, CheckoutCompleted, PaymentCaptured, OrderConfirmed)


def compensated_is_what_was_done(case: Case) -> Iterator[Violation]:
    for end in case.said.of(CheckoutFailed):
        done = {step for step, fact in _DONE.items() if case.said.of(fact)}
        if not any(message.status is PaymentOutcome.CONFIRMED for message in case.said.of(PaymentProcessed)):
            done.discard(CheckoutStep.AUTHORIZE_PAYMENT)
        if missing := [step for step in _DONE if step in done.difference(end.compensated)]:
            text = f"{', '.join(missing)}: done, and not among what was undone"
            yield case.violation(Rule.DONE_IS_UNDONE, text, CheckoutFailed, *(_DONE[step] for step in missing))
        if untold := [step for step in end.compensated if not case.said.several(*_UNDONE[step])]:
            text = f"{', '.join(untold)}: said to be undone, but nobody who would know says so"
            yield case.violation(Rule.UNDONE_IS_CONFIRMED, text, CheckoutFailed)


def statuses_have_no_gap(case: Case) -> Iterator[Violation]:
    told = sorted(case.said.of(OrderStatusChanged), key=lambda message: message.sequence)
    broken = [message.sequence for message in told] != list(range(1, len(told) + 1))
    broken |= any(one.newStatus.value != next_.previousStatus.value for one, next_ in pairwise(told))
    if broken:
        way = ", ".join(f"{each.sequence}: {each.previousStatus} -> {each.newStatus}" for each in told)
        yield case.violation(Rule.NO_STATUS_MISSING, way, OrderStatusChanged)


def pieces_are_where_they_belong(case: Case) -> Iterator[Violation]:
    held, freed, taken, returned = (
        _pieces(case.said.of(kind)) for kind in (StockHeld, FreeStock, TakeStock, ReturnStock)
    )
    if waiting := {product: held[product] - freed[product] - taken[product] for product in held | freed | taken}:
        for product, pieces in waiting.items():
            if pieces:
                text = f"{pieces} pieces of {product} are held for it and neither freed nor sold"
                yield case.violation(Rule.NO_PIECE_STUCK, text, StockHeld, FreeStock, TakeStock)
    due: Counter[str] = Counter()
    if case.stands:
        for start in case.said.of(StartCheckout)[:1]:
            for line in start.items:
                due[line.productId] += line.quantity
    for product in due | taken | returned:
        if (left := taken[product] - returned[product]) != due[product]:
            text = f"{left} pieces of {product} left the stock for it, and {due[product]} should have"
            yield case.violation(Rule.SOLD_IS_BOUGHT, text, StartCheckout, TakeStock, ReturnStock)


def _pieces(moves: Sequence[StockHeld | FreeStock | TakeStock | ReturnStock]) -> Counter[str]:
    total: Counter[str] = Counter()
    for move in moves:
        total[move.productId] += move.quantity
    return total
