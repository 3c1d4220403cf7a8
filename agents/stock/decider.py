"""The only writer of a product's stock: adds, corrects, holds, frees, sells, takes back. Never more than there is.

State and work of a message are of constant size. That it needs no list of holds rests on two promises: the engine
delivers what a reservation sends exactly once, and a reservation frees or sells what it was told to be held, once.
"""

from typing import assert_never

from msgspec.structs import replace

from agents.stock.errors import StockError
from agents.stock.state import Stock
from schemas.identity import derived_id
from schemas.inventory import (
    AddInventory,
    DeleteInventory,
    FreeStock,
    HoldStock,
    InventoryAdjusted,
    OutOfStock,
    ReturnStock,
    StockHeld,
    StockShort,
    TakeStock,
    UpdateInventory,
)
from schemas.message import Message
from schemas.types import INT_MAX
from streams.decision import Decision

#: Millis for which a product that is not sold and not held stays known: long after a repeat can come.
TERMINAL_STAYS = 24 * 60 * 60 * 1_000

_CORRECT = "correct the figure and publish it again"
_BUG = "a reservation and its stock disagree, which is a bug: report it"


def decide(
    state: Stock | None,
    message: AddInventory | UpdateInventory | DeleteInventory | HoldStock | FreeStock | TakeStock | ReturnStock,
    at: int,
) -> Decision[Stock]:
    stock = state or Stock(message.productId, number=at)
    match message:
        case AddInventory():
            return _became(stock, _added(stock, message), at, "added")
        case UpdateInventory():
            return _became(stock, _corrected(stock, message), at, "corrected")
        case DeleteInventory():
            return _became(stock, replace(stock, listed=False, available=0), at, "deleted")
        case HoldStock():
            return _hold(stock, message, at)
        case FreeStock():
            kept = message.quantity if stock.listed else 0
            freed = replace(_let_go(stock, message), available=stock.available + kept)
            return _became(stock, freed, at, "freed after the product was deleted")
        case TakeStock():
            return _became(stock, _let_go(stock, message), at, "sold")
        case ReturnStock():
            return _became(stock, _returned(stock, message), at, "returned")
        case _:
            assert_never(message)


def _added(stock: Stock, message: AddInventory) -> Stock:
    if message.quantity < 1:
        raise StockError(stock, message, f"{message.quantity} pieces can't come in", _CORRECT)
    return replace(_with(stock, message, message.quantity), listed=True, warehouse_id=message.warehouseId)


def _corrected(stock: Stock, message: UpdateInventory) -> Stock:
    if not stock.listed:
        raise StockError(stock, message, "the product is not in stock", "add it first, or correct the product's id")
    if stock.available + message.quantityChange < 0:
        problem = f"{-message.quantityChange} pieces fewer are more than can be had"
        raise StockError(stock, message, problem, _CORRECT)
    return _with(stock, message, message.quantityChange)


def _hold(stock: Stock, message: HoldStock, at: int) -> Decision[Stock]:
    product, reservation, quantity = message.productId, message.reservationId, message.quantity
    if quantity > stock.available:
        short = StockShort(reservationId=reservation, productId=product, requested=quantity, available=stock.available)
        return _became(stock, stock, at, "", short)
    held = replace(stock, available=stock.available - quantity, held=stock.held + quantity)
    return _became(stock, held, at, "", StockHeld(reservationId=reservation, productId=product, quantity=quantity))


def _let_go(stock: Stock, message: FreeStock | TakeStock) -> Stock:
    if message.quantity > stock.held:
        raise StockError(stock, message, f"so many as {message.quantity} pieces are not held", _BUG)
    return replace(stock, held=stock.held - message.quantity)


def _returned(stock: Stock, message: ReturnStock) -> Stock:
    """Of a product that was deleted nothing comes back."""
    return _with(stock, message, message.quantity) if stock.listed else stock


def _with(stock: Stock, message: AddInventory | UpdateInventory | ReturnStock, more: int) -> Stock:
    if stock.on_hand + more > INT_MAX:
        raise StockError(stock, message, f"with {more} more it is beyond what a figure can say", _CORRECT)
    return replace(stock, available=stock.available + more)


def _became(before: Stock, after: Stock, at: int, reason: str, *answers: Message) -> Decision[Stock]:
    """The facts of a change follow from what was before and what is now."""
    after = replace(after, number=before.number + 1)
    sends = list(answers)
    if change := after.on_hand - before.on_hand:
        sends.append(
            InventoryAdjusted(
                event_id=derived_id("inventory adjusted", after.product_id, after.number),
                timestamp=at,
                product_id=after.product_id,
                adjusted_quantity=change,
                new_quantity=after.on_hand,
                adjustment_reason=reason,
                adjusted_by="inventory",
            )
        )
    if after.available == 0 < before.available:
        sends.append(
            OutOfStock(
                event_id=derived_id("out of stock", after.product_id, after.number),
                timestamp=at,
                product_id=after.product_id,
                last_available_quantity=before.available,
                warehouse_id=after.warehouse_id,
            )
        )
    over = not after.listed and after.held == 0
    return Decision(after, tuple(sends), expires=at + TERMINAL_STAYS if over else None)
