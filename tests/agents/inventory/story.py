"""What may be told to a reservation, and what it may say, in short."""

from schemas.inventory import (
    FreeStock,
    HoldStock,
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    ReleaseInventory,
    ReleaseReason,
    ReserveInventory,
    ReturnStock,
    StockHeld,
    StockLine,
    StockShort,
    TakeStock,
)
from schemas.message import Message
from schemas.orders import CancellationReason, OrderCancelled, OrderCompleted, OrderConfirmed
from tests.agents.ids import AT, id_of

CUP, POT, CART, CUSTOMER = (id_of(number) for number in (11, 12, 21, 31))


def reserve(*lines: tuple[str, int], order: str = id_of(1)) -> ReserveInventory:
    items = tuple(StockLine(productId=product, quantity=pieces) for product, pieces in lines)
    return ReserveInventory(reservationId=order, cartId=CART, items=items)


def release(order: str = id_of(1), reason: ReleaseReason | None = ReleaseReason.CHECKOUT_FAILED) -> ReleaseInventory:
    return ReleaseInventory(reservationId=order, reason=reason)


def held(product: str, pieces: int) -> StockHeld:
    return StockHeld(reservationId=id_of(1), productId=product, quantity=pieces)


def short(product: str, requested: int, available: int) -> StockShort:
    return StockShort(reservationId=id_of(1), productId=product, requested=requested, available=available)


def confirmed(order: str = id_of(1)) -> OrderConfirmed:
    return OrderConfirmed(
        orderId=order,
        customerId=CUSTOMER,
        confirmationNumber="ORD-00000001",
        total=100,
        currency="EUR",
        confirmedAt=AT,
    )


def cancelled(order: str = id_of(1)) -> OrderCancelled:
    return OrderCancelled(orderId=order, reason=CancellationReason.CUSTOMER_REQUESTED, cancelledAt=AT)


def completed(order: str = id_of(1)) -> OrderCompleted:
    return OrderCompleted(orderId=order, customerId=CUSTOMER, completedAt=AT)


_MOVES = {HoldStock: "hold", FreeStock: "free", TakeStock: "take", ReturnStock: "return"}


def essence(message: Message) -> tuple[object, ...]:
    """Without the ids that are the same in all of a story."""
    match message:
        case HoldStock() | FreeStock() | TakeStock() | ReturnStock():
            return _MOVES[type(message)], message.productId, message.quantity
        case InventoryReserved():
            return "reserved", *_pieces(message.items)
        case InventoryReleased():
            return "released", message.reason, *_pieces(message.items)
        case InventoryUnavailable():
            return "unavailable", *(
                (each.productId, each.requested, each.available) for each in message.unavailableItems
            )
    raise AssertionError(message)


def _pieces(lines: tuple[StockLine, ...]) -> list[tuple[str, int]]:
    return [(line.productId, line.quantity) for line in lines]
