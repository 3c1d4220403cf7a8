"""A reservation is split into one hold per product; it stands when all of them do, else what was held is freed.

It never lets go of a hold that it doesn't know of: whatever becomes of it meanwhile, it first hears all products that
it has asked. What it holds is freed after a quarter of an hour, or leaves the stock when the order is confirmed and not
when its parcel is sent (docs/decisions/0008-stock.md).
"""

from collections import Counter
from typing import assert_never

from msgspec.structs import replace

from agents.inventory.answers import each_product, released, reserved, unavailable
from agents.inventory.deadlines import TERMINAL_STAYS, kept
from agents.inventory.state import Reservation, Status
from schemas.inventory import (
    FreeStock,
    HoldStock,
    ReleaseInventory,
    ReleaseReason,
    ReserveInventory,
    ReturnStock,
    Shortage,
    StockHeld,
    StockShort,
    TakeStock,
)
from schemas.orders import OrderCancelled, OrderCompleted, OrderConfirmed
from schemas.types import INT_MAX
from streams.decision import Decision, Wake


def decide(
    state: Reservation | None,
    message: ReserveInventory
    | ReleaseInventory
    | StockHeld
    | StockShort
    | OrderConfirmed
    | OrderCancelled
    | OrderCompleted
    | Wake,
    at: int,
) -> Decision[Reservation]:
    match message:
        case ReserveInventory():
            return _reserve(message, at) if state is None else _reserve_again(state, message, at)
        case ReleaseInventory():
            return _release(state, message.reservationId, _known(message.reason), at)
        case OrderCancelled():
            return _release(state, message.orderId, ReleaseReason.ORDER_CANCELLED, at)
    if state is None:  # the late repeat of a reservation that is forgotten, or an order that never had one
        return Decision(None)
    match message:
        case StockHeld() | StockShort():
            return _answered(state, message, at)
        case OrderConfirmed():
            return _confirm(state, at)
        case OrderCompleted():
            return _completed(state, at)
        case Wake():
            return _expire(state, at)
        case _:
            assert_never(message)


def _reserve(message: ReserveInventory, at: int) -> Decision[Reservation]:
    assert message.reservationId is not None  # noqa: S101 - the engine takes it from the record's key
    wanted: Counter[str] = Counter()
    for line in message.items:
        wanted[line.productId] += line.quantity
    return _ask(
        Reservation(
            message.reservationId,
            message.cartId,
            Status.HOLDING,
            since=at,
            awaited={product: pieces for product, pieces in wanted.items() if pieces <= INT_MAX},
            # More than a figure can say is more than there is.
            short=tuple(
                Shortage(productId=product, requested=INT_MAX, available=0)
                for product, pieces in wanted.items()
                if pieces > INT_MAX
            ),
        ),
        at,
    )


def _reserve_again(state: Reservation, message: ReserveInventory, at: int) -> Decision[Reservation]:
    """The first one counts, whatever this one asks for. It gets the same answer, unless none is possible yet."""
    match state.status:
        case Status.HOLDING | Status.CONFIRMING | Status.RELEASING:
            return kept(state, at)
        case Status.RESERVED | Status.TAKEN:
            return kept(state, at, reserved(state))
        case Status.REFUSED | Status.EXPIRED | Status.RELEASED:
            # The cart of one that was released before it came is known only now.
            known = replace(state, cart_id=state.cart_id or message.cartId)
            return kept(known, at, unavailable(known))
        case _:
            assert_never(state.status)


def _ask(state: Reservation, at: int) -> Decision[Reservation]:
    holds = each_product(HoldStock, state.id, state.awaited)
    return kept(state, at, *holds) if holds else _settle(state, at)


def _answered(state: Reservation, message: StockHeld | StockShort, at: int) -> Decision[Reservation]:
    product = message.productId
    if product not in state.awaited:
        return kept(state, at)
    state = replace(state, awaited={each: pieces for each, pieces in state.awaited.items() if each != product})
    match message:
        case StockHeld():
            state = replace(state, held={**state.held, product: message.quantity})
        case StockShort():
            shortage = Shortage(productId=product, requested=message.requested, available=message.available)
            state = replace(state, short=(*state.short, shortage))
        case _:
            assert_never(message)
    return kept(state, at) if state.awaited else _settle(state, at)


def _settle(state: Reservation, at: int) -> Decision[Reservation]:
    """All products have answered."""
    if state.status is Status.RELEASING:
        return _give_back(state, FreeStock, Status.RELEASED, state.reason, at)
    if state.short:
        refused = replace(state, status=Status.REFUSED, since=at, held={})
        return kept(refused, at, *each_product(FreeStock, state.id, state.held), unavailable(refused))
    held = replace(state, status=Status.RESERVED, since=at)
    answered = kept(held, at, reserved(held))
    if state.status is Status.CONFIRMING:
        taken = _confirm(held, at)
        return replace(taken, sends=answered.sends + taken.sends)
    return answered


def _confirm(state: Reservation, at: int) -> Decision[Reservation]:
    match state.status:
        case Status.RESERVED:
            taken = replace(state, status=Status.TAKEN)
            return kept(taken, at, *each_product(TakeStock, state.id, state.held))
        case Status.HOLDING:
            return kept(replace(state, status=Status.CONFIRMING), at)
        case Status.EXPIRED:
            # The confirmation was on its way when the time was up: the customer has paid, so the goods are sought anew.
            return _ask(replace(state, status=Status.CONFIRMING, awaited=state.held, held={}), at)
        case Status.CONFIRMING | Status.RELEASING | Status.TAKEN | Status.REFUSED | Status.RELEASED:
            return kept(state, at)
        case _:
            assert_never(state.status)


def _release(state: Reservation | None, reservation_id: str, reason: ReleaseReason, at: int) -> Decision[Reservation]:
    if state is None:  # it overtook the reservation, which will find it here
        state = Reservation(reservation_id, None, Status.REFUSED, since=at)
    match state.status:
        case Status.HOLDING | Status.CONFIRMING:
            return kept(replace(state, status=Status.RELEASING, reason=reason), at)
        case Status.RELEASING:
            return kept(state, at)
        case Status.RESERVED:
            return _give_back(state, FreeStock, Status.RELEASED, reason, at)
        case Status.TAKEN:
            return _give_back(state, ReturnStock, Status.RELEASED, reason, at)
        case Status.REFUSED | Status.EXPIRED:
            over = replace(state, status=Status.RELEASED, reason=reason)
            return kept(over, at, released(over))
        case Status.RELEASED:
            return kept(state, at, released(state))
        case _:
            assert_never(state.status)


def _completed(state: Reservation, at: int) -> Decision[Reservation]:
    """It can't be cancelled any more, so one that was sold need not be known for longer than repeats may come."""
    decision = kept(state, at)
    return replace(decision, expires=at + TERMINAL_STAYS) if state.status is Status.TAKEN else decision


def _expire(state: Reservation, at: int) -> Decision[Reservation]:
    if state.status is not Status.RESERVED:
        return kept(state, at)
    return _give_back(state, FreeStock, Status.EXPIRED, ReleaseReason.EXPIRED, at)


def _give_back(
    state: Reservation, how: type[FreeStock | ReturnStock], status: Status, reason: ReleaseReason, at: int
) -> Decision[Reservation]:
    over = replace(state, status=status, reason=reason, since=at)
    return kept(over, at, *each_product(how, state.id, state.held), released(over))


def _known(reason: ReleaseReason | None) -> ReleaseReason:
    """Stock is given back whatever the reason; one that is missing or too new for us is that of the usual sender."""
    return ReleaseReason.CHECKOUT_FAILED if reason in {None, ReleaseReason.UNRECOGNIZED} else reason
