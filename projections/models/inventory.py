"""Inventory: pieces of each product, and for which reservations they are held."""

from projections.models.model import UNORDERED, Change, Place, ReadModel, Table, UnfitEventError
from schemas.inventory import (
    AddInventory,
    InventoryAdjusted,
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    OutOfStock,
)
from schemas.orders import OrderConfirmed

RESERVATIONS = Table(
    "reservations",
    key=("reservation_id",),
    columns={
        "reservation_id": "uuid",
        "order_id": "uuid",
        "cart_id": "uuid",
        "reserved_at": "timestamptz",
        "unavailable_at": "timestamptz",
        "released_at": "timestamptz",
        "release_reason": "text",
        "confirmed_at": "timestamptz",
        "version": "bigint",
    },
)
ITEMS = Table(
    "reservation_items",
    key=("reservation_id", "product_id"),
    columns={"reservation_id": "uuid", "product_id": "uuid", "quantity": "integer", "version": "bigint"},
)
STOCK = Table(
    "stock",
    key=("product_id",),
    columns={
        "product_id": "uuid",
        "on_hand": "integer",
        "warehouse_id": "uuid",
        "out_of_stock_at": "timestamptz",
        "changed_at": "timestamptz",
        "version": "bigint",
    },
)


def reserved(event: InventoryReserved, _place: Place) -> list[Change]:
    if len({item.productId for item in event.items}) < len(event.items):
        raise UnfitEventError(
            f"InventoryReserved of {event.reservationId} has several items of one product: one item per product"
        )
    return [
        (
            RESERVATIONS,
            {
                "reservation_id": event.reservationId,
                "order_id": event.orderId,
                "cart_id": event.cartId,
                "reserved_at": event.reservedAt,
            },
        ),
        *(
            (
                ITEMS,
                {"reservation_id": event.reservationId, "product_id": item.productId, "quantity": item.quantity},
            )
            for item in event.items
        ),
    ]


def unavailable(event: InventoryUnavailable, _place: Place) -> list[Change]:
    """It names its reservation by the order, which has the same id."""
    return [
        (
            RESERVATIONS,
            {
                "reservation_id": event.orderId,
                "order_id": event.orderId,
                "cart_id": event.cartId,
                "unavailable_at": event.checkedAt,
            },
        )
    ]


def released(event: InventoryReleased, _place: Place) -> list[Change]:
    return [
        (
            RESERVATIONS,
            {
                "reservation_id": event.reservationId,
                "order_id": event.orderId,
                "released_at": event.releasedAt,
                "release_reason": event.reason,
            },
        )
    ]


def confirmed(event: OrderConfirmed, _place: Place) -> list[Change]:
    """From another topic, whose offsets say nothing of when this was: it sets what nothing else sets."""
    return [
        (
            RESERVATIONS,
            {
                "reservation_id": event.orderId,
                "order_id": event.orderId,
                "confirmed_at": event.confirmedAt,
                "version": UNORDERED,
            },
        )
    ]


def added(event: AddInventory, place: Place) -> list[Change]:
    """How many came in InventoryAdjusted says, if they were taken on; where they lie is said only here."""
    return [(STOCK, {"product_id": event.productId, "warehouse_id": event.warehouseId, "changed_at": place.at})]


def adjusted(event: InventoryAdjusted, place: Place) -> list[Change]:
    return [(STOCK, {"product_id": event.product_id, "on_hand": event.new_quantity, "changed_at": place.at})]


def ran_out(event: OutOfStock, place: Place) -> list[Change]:
    return [
        (
            STOCK,
            {
                "product_id": event.product_id,
                "warehouse_id": event.warehouse_id,
                "out_of_stock_at": event.timestamp,
                "changed_at": place.at,
            },
        )
    ]


MODEL = ReadModel(
    "inventory",
    (RESERVATIONS, ITEMS, STOCK),
    {
        InventoryReserved: reserved,
        InventoryUnavailable: unavailable,
        InventoryReleased: released,
        OrderConfirmed: confirmed,
        AddInventory: added,
        InventoryAdjusted: adjusted,
        OutOfStock: ran_out,
    },
)
