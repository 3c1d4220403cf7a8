"""What a reservation says: to the products it asks, and to whoever wants to know how it stands.

Each follows from the state alone, so a repeated request gets the same answer.
"""

from collections.abc import Mapping

from agents.inventory.state import Reservation
from schemas.inventory import (
    FreeStock,
    HoldStock,
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    ReturnStock,
    StockLine,
    TakeStock,
)
from schemas.message import Message


def each_product(
    move: type[HoldStock | FreeStock | TakeStock | ReturnStock], reservation_id: str, lines: Mapping[str, int]
) -> tuple[Message, ...]:
    return tuple(
        move(productId=product, reservationId=reservation_id, quantity=pieces) for product, pieces in lines.items()
    )


def reserved(state: Reservation) -> InventoryReserved:
    return InventoryReserved(
        reservationId=state.id,
        orderId=state.id,
        cartId=state.cart_id,
        items=_lines(state),
        reservedAt=state.since,
    )


def unavailable(state: Reservation) -> InventoryUnavailable:
    """Nothing is short where it is not for want of pieces that nothing is held."""
    return InventoryUnavailable(
        orderId=state.id, cartId=state.cart_id, unavailableItems=state.short, checkedAt=state.since
    )


def released(state: Reservation) -> InventoryReleased:
    return InventoryReleased(
        reservationId=state.id,
        orderId=state.id,
        items=_lines(state),
        reason=state.reason,
        releasedAt=state.since,
    )


def _lines(state: Reservation) -> tuple[StockLine, ...]:
    return tuple(StockLine(productId=product, quantity=pieces) for product, pieces in state.held.items())
