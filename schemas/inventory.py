"""Inventory: how many pieces there are of a product, and for which checkouts they are held."""

from typing import Annotated

from pydantic import Field

from schemas import topics
from schemas.message import Command, Event, Query, Record
from schemas.types import Array, Count, Int, Quantity, Symbols, Timestamp, Uuid

ProductId = Annotated[Uuid, Field(description="The product whose stock it is.")]
ReservationId = Annotated[Uuid, Field(description="The reservation that the pieces are for.")]
WarehouseId = Annotated[Uuid, Field(description="The warehouse where the pieces lie.")]
OptionalOrderId = Annotated[Uuid | None, Field(description="The order that the stock is for.")]
OptionalCartId = Annotated[Uuid | None, Field(description="The cart that the stock is for.")]
EventId = Annotated[Uuid, Field(description="Unique for this fact; a repeat carries the same one.")]


class ReleaseReason(Symbols):
    """Why held stock is given back."""

    CHECKOUT_FAILED = "CHECKOUT_FAILED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    EXPIRED = "EXPIRED"
    UNRECOGNIZED = "UNRECOGNIZED"


class StockLine(Record):
    """Pieces of one product."""

    productId: ProductId
    quantity: Annotated[Quantity, Field(description="Pieces to hold, or held.")]


class Shortage(Record):
    """One product that there is too little of."""

    productId: ProductId
    requested: Annotated[Int, Field(description="Pieces asked for.")]
    available: Annotated[Int, Field(description="Pieces that could have been held.")]


class ReserveInventory(
    Command,
    topic=topics.INVENTORY_COMMANDS,
    key="reservationId",
    producers=("checkout-orchestrator",),
    consumers=("inventory",),
):
    """Hold stock for a checkout, all of it or none. Answered by InventoryReserved or InventoryUnavailable."""

    reservationId: Annotated[Uuid | None, Field(description="The reservation; the record's key says the same.")] = None
    cartId: Annotated[Uuid, Field(description="The cart that the stock is for.")]
    customerId: Annotated[Uuid | None, Field(description="Who buys.")] = None
    items: Annotated[Array[StockLine], Field(description="What to hold, one entry per product.")]


class ReleaseInventory(
    Command,
    topic=topics.INVENTORY_COMMANDS,
    key="reservationId",
    producers=("checkout-orchestrator",),
    consumers=("inventory",),
):
    """Give back what a reservation holds. Harmless if it holds nothing, or not yet. Answered by InventoryReleased."""

    reservationId: Annotated[Uuid, Field(description="The reservation to give back.")]
    reason: Annotated[ReleaseReason | None, Field(description="Why the stock is no longer wanted.")] = None


class InventoryReserved(
    Event,
    topic=topics.INVENTORY_EVENTS,
    key="reservationId",
    producers=("inventory",),
    consumers=("checkout-orchestrator",),
):
    """Every piece asked for is held, until the order is confirmed or the reservation ends."""

    reservationId: Annotated[Uuid, Field(description="The reservation that holds the pieces.")]
    orderId: OptionalOrderId = None
    cartId: OptionalCartId = None
    items: Annotated[Array[StockLine], Field(description="What is held, one entry per product.")]
    reservedAt: Annotated[Timestamp, Field(description="When the last piece was held.")]


class InventoryUnavailable(
    Event,
    topic=topics.INVENTORY_EVENTS,
    key="orderId",
    producers=("inventory",),
    consumers=("checkout-orchestrator",),
):
    """At least one product is short, so nothing is held."""

    orderId: OptionalOrderId = None
    cartId: OptionalCartId = None
    unavailableItems: Annotated[Array[Shortage], Field(description="Only the products that are short.")]
    checkedAt: Annotated[Timestamp, Field(description="When the stock was looked at.")]


class InventoryReleased(
    Event,
    topic=topics.INVENTORY_EVENTS,
    key="reservationId",
    producers=("inventory",),
    consumers=("checkout-orchestrator",),
):
    """Nothing is held under this reservation, and nothing will be."""

    reservationId: Annotated[Uuid, Field(description="The reservation that is over.")]
    orderId: OptionalOrderId = None
    items: Annotated[Array[StockLine], Field(description="What was given back, one entry per product.")]
    reason: Annotated[ReleaseReason, Field(description="Why it was given back.")]
    releasedAt: Annotated[Timestamp, Field(description="When it was given back.")]


class HoldStock(Command, topic=topics.STOCK_COMMANDS, key="productId", producers=("inventory",), consumers=("stock",)):
    """Hold pieces of one product for a reservation. Answered by StockHeld or StockShort."""

    productId: ProductId
    reservationId: ReservationId
    quantity: Annotated[Quantity, Field(description="Pieces to hold, all of them or none.")]


class FreeStock(Command, topic=topics.STOCK_COMMANDS, key="productId", producers=("inventory",), consumers=("stock",)):
    """Pieces that are held are wanted no longer: others may have them."""

    productId: ProductId
    reservationId: ReservationId
    quantity: Annotated[Quantity, Field(description="Pieces that were held.")]


class TakeStock(Command, topic=topics.STOCK_COMMANDS, key="productId", producers=("inventory",), consumers=("stock",)):
    """Pieces that are held are sold: they leave the stock."""

    productId: ProductId
    reservationId: ReservationId
    quantity: Annotated[Quantity, Field(description="Pieces that were held.")]


class ReturnStock(
    Command, topic=topics.STOCK_COMMANDS, key="productId", producers=("inventory",), consumers=("stock",)
):
    """Pieces that were sold come back: their order was cancelled before they were sent."""

    productId: ProductId
    reservationId: ReservationId
    quantity: Annotated[Quantity, Field(description="Pieces that had been taken.")]


class StockHeld(Event, topic=topics.STOCK_EVENTS, key="reservationId", producers=("stock",), consumers=("inventory",)):
    """The pieces of one product are held for a reservation."""

    reservationId: ReservationId
    productId: ProductId
    quantity: Annotated[Quantity, Field(description="Pieces that are held.")]


class StockShort(Event, topic=topics.STOCK_EVENTS, key="reservationId", producers=("stock",), consumers=("inventory",)):
    """There are too few pieces of one product, so none is held."""

    reservationId: ReservationId
    productId: ProductId
    requested: Annotated[Quantity, Field(description="Pieces asked for.")]
    available: Annotated[Count, Field(description="Pieces that could have been held.")]


class AddInventory(Command, version="0.0.3", topic=topics.INVENTORY_EVENTS, key="productId", consumers=("inventory",)):
    """Take a product into stock, or more of it. Travels among the events of the product, so that their order is one."""

    productId: ProductId
    quantity: Annotated[Int, Field(description="Pieces that came in.")]
    warehouseId: WarehouseId
    timestamp: Annotated[Timestamp, Field(description="When the pieces came in.")]


class UpdateInventory(
    Command, version="0.0.3", topic=topics.INVENTORY_EVENTS, key="productId", consumers=("inventory",)
):
    """Correct a product's stock by a difference."""

    productId: ProductId
    quantityChange: Annotated[Int, Field(description="Pieces more, or fewer if negative.")]
    warehouseId: WarehouseId
    timestamp: Annotated[Timestamp, Field(description="When the difference was found.")]


class DeleteInventory(
    Command, version="0.0.3", topic=topics.INVENTORY_EVENTS, key="productId", consumers=("inventory",)
):
    """Take a product out of stock for good."""

    productId: ProductId
    warehouseId: WarehouseId
    timestamp: Annotated[Timestamp, Field(description="When the product was taken out.")]


class InventoryAdjusted(
    Event,
    version="1.2.3",
    topic=topics.INVENTORY_EVENTS,
    key="product_id",
    producers=("inventory",),
    consumers=("orders", "notifications", "payments"),
):
    """A product's stock has changed."""

    event_id: EventId
    timestamp: Annotated[Timestamp, Field(description="When the stock changed.")]
    product_id: ProductId
    adjusted_quantity: Annotated[Int, Field(description="Pieces more, or fewer if negative.")]
    new_quantity: Annotated[Int, Field(description="Pieces there are now.")]
    adjustment_reason: Annotated[str | None, Field(description="What made it change, in words.")] = None
    adjusted_by: Annotated[str | None, Field(description="The person or service behind the change.")] = None


class OutOfStock(
    Event,
    version="0.0.4",
    topic=topics.INVENTORY_EVENTS,
    key="product_id",
    producers=("inventory",),
    consumers=("notifications",),
):
    """A product has run out."""

    event_id: EventId
    timestamp: Annotated[Timestamp, Field(description="When the last piece was gone.")]
    product_id: ProductId
    last_available_quantity: Annotated[
        Int | None, Field(description="Pieces there were before the change that emptied it.")
    ] = None
    warehouse_id: Annotated[Uuid | None, Field(description="The warehouse that ran out.")] = None


class InventoryStatus(Record):
    """A product's stock in one place."""

    productId: ProductId
    availableQuantity: Annotated[Count, Field(description="Pieces that can still be held.")]
    reservedQuantity: Annotated[Count, Field(description="Pieces held for checkouts and orders.")]
    warehouseLocation: Annotated[str, Field(description="Where the warehouse is, in words.")]


class InventoryFilters(Record):
    """Narrows a list of stock; what isn't given doesn't narrow."""

    category: Annotated[str | None, Field(description="Only products of this category.")] = None
    location: Annotated[str | None, Field(description="Only stock in the warehouse at this place.")] = None
    minStockLevel: Annotated[Int | None, Field(description="Only products with at least so many pieces.")] = None
    inStock: Annotated[
        bool | None, Field(description="true: only products with pieces left; false: only those without.")
    ] = None


class Pagination(Record):
    """Which part of a long list."""

    page: Annotated[Quantity, Field(description="Which page, counted from 1.")] = 1
    pageSize: Annotated[Quantity, Field(description="Entries on one page.")] = 10


class InventoryList(Record):
    """One page of products and their stock. The catalogue gives the question no answer: this one is the project's."""

    items: Annotated[Array[InventoryStatus], Field(description="The products of this page.")]
    page: Annotated[Quantity, Field(description="Which page this is, counted from 1.")]
    pageSize: Annotated[Quantity, Field(description="Entries on a full page.")]
    totalItems: Annotated[Count, Field(description="Products on all pages together.")]


class StockLevel(Record):
    """A product's stock everywhere."""

    productId: ProductId
    available: Annotated[Count, Field(description="Pieces that can still be held.")]
    reserved: Annotated[Count | None, Field(description="Pieces held for checkouts and orders.")] = None


class GetInventoryList(Query, version="0.0.1", consumers=("inventory",), answer=InventoryList):
    """Ask for the products in stock, page by page."""

    filters: Annotated[InventoryFilters | None, Field(description="Without it every product is listed.")] = None
    pagination: Annotated[Pagination | None, Field(description="Without it the first ten entries are listed.")] = None


class GetInventoryStatus(Query, version="0.0.1", consumers=("inventory",), answer=InventoryStatus):
    """Ask how much there is of a product, and where."""

    productId: ProductId


class GetStockLevel(Query, consumers=("inventory",), answer=StockLevel):
    """Ask how much there is of a product in all."""

    productId: ProductId
