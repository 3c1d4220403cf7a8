"""Reservations and stock, from inventory.events, and from orders.events what is confirmed.

Two topics meet in a reservation, in any order, so how it stands follows from what both have said. One whose time was up
is sought anew if its order is confirmed after all: it is released only if nothing was reserved since.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from projections.folds.fold import Fold, Model, Place, Row, Table
from schemas.inventory import (
    AddInventory,
    InventoryAdjusted,
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    OutOfStock,
)
from schemas.orders import OrderConfirmed

ReservationEvent = InventoryReserved | InventoryUnavailable | InventoryReleased | OrderConfirmed
StockEvent = AddInventory | InventoryAdjusted | OutOfStock

RESERVATIONS = Table(
    "reservations",
    (
        "reservation_id", "order_id", "cart_id", "status", "reserved_at", "unavailable_at", "released_at",
        "release_reason", "confirmed_at", "version",
    ),
    keys=1,
    by="reservation_id",
)  # fmt: skip
ITEMS = Table("reservation_items", ("reservation_id", "product_id", "quantity", "version"), keys=2, by="reservation_id")
STOCK = Table(
    "stock",
    ("product_id", "on_hand", "warehouse_id", "out_of_stock_at", "changed_at", "version"),
    keys=1,
    by="product_id",
)


@dataclass(frozen=True, slots=True)
class Reservation:
    """All that has been said of it."""

    reservation_id: str
    order_id: str | None = None
    cart_id: str | None = None
    reserved_at: int | None = None
    unavailable_at: int | None = None
    released_at: int | None = None
    release_reason: str | None = None
    confirmed_at: int | None = None
    #: Pieces of each product, and the version of when they were held.
    items: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    #: Of inventory.events alone: offsets of two topics can't be compared.
    version: int = 0

    @property
    def status(self) -> str:
        """What was said last of three, by the services' own time; of one moment, what was given back is free."""
        reserved, unavailable, released = (at or 0 for at in (self.reserved_at, self.unavailable_at, self.released_at))
        if unavailable > max(reserved, released):
            return "UNAVAILABLE"
        if self.released_at is not None and released >= reserved:
            return "RELEASED"
        return "RESERVED" if self.confirmed_at is None else "CONFIRMED"


@dataclass(frozen=True, slots=True)
class Stock:
    """All that has been said of a product's pieces."""

    product_id: str
    on_hand: int | None = None
    warehouse_id: str | None = None
    out_of_stock_at: int | None = None
    changed_at: int = 0
    version: int = 0


def fold_reservation(reservation: Reservation | None, event: ReservationEvent, place: Place) -> Reservation:
    known = reservation or Reservation(reservation_of(event))
    if isinstance(event, OrderConfirmed):
        return replace(known, order_id=event.orderId, confirmed_at=event.confirmedAt)
    known = replace(known, order_id=event.orderId or known.order_id, version=place.version)
    match event:
        case InventoryReserved():
            return replace(
                known,
                cart_id=event.cartId or known.cart_id,
                reserved_at=event.reservedAt,
                items={**known.items, **{item.productId: (item.quantity, place.version) for item in event.items}},
            )
        case InventoryUnavailable():
            return replace(known, cart_id=event.cartId or known.cart_id, unavailable_at=event.checkedAt)
        case InventoryReleased():
            return replace(known, release_reason=event.reason.value, released_at=event.releasedAt)


def reservation_of(event: ReservationEvent) -> str:
    """A reservation has the id of its order: two of its events name it by that."""
    if isinstance(event, InventoryReserved | InventoryReleased):
        return event.reservationId
    if event.orderId is None:
        raise ValueError("an InventoryUnavailable without orderId is about no reservation")
    return event.orderId


def fold_stock(stock: Stock | None, event: StockEvent, place: Place) -> Stock:
    known = replace(stock or Stock(product_of(event)), changed_at=place.at, version=place.version)
    match event:
        case AddInventory():
            return replace(known, warehouse_id=event.warehouseId)
        case InventoryAdjusted():
            return replace(known, on_hand=event.new_quantity)
        case OutOfStock():
            return replace(
                known, out_of_stock_at=event.timestamp, warehouse_id=event.warehouse_id or known.warehouse_id
            )


def product_of(event: StockEvent) -> str:
    return event.productId if isinstance(event, AddInventory) else event.product_id


def reservation_rows(reservation: Reservation) -> Iterator[Row]:
    yield Row(
        RESERVATIONS.name,
        (
            reservation.reservation_id,
            reservation.order_id,
            reservation.cart_id,
            reservation.status,
            reservation.reserved_at,
            reservation.unavailable_at,
            reservation.released_at,
            reservation.release_reason,
            reservation.confirmed_at,
            reservation.version,
        ),
    )
    for product_id, held in reservation.items.items():
        yield Row(ITEMS.name, (reservation.reservation_id, product_id, *held))


def stock_rows(stock: Stock) -> Iterator[Row]:
    yield Row(
        STOCK.name,
        (stock.product_id, stock.on_hand, stock.warehouse_id, stock.out_of_stock_at, stock.changed_at, stock.version),
    )


MODEL = Model(
    "inventory",
    (RESERVATIONS, ITEMS, STOCK),
    (
        Fold(
            (InventoryReserved, InventoryUnavailable, InventoryReleased, OrderConfirmed),
            reservation_of,
            fold_reservation,
            reservation_rows,
        ),
        Fold((AddInventory, InventoryAdjusted, OutOfStock), product_of, fold_stock, stock_rows),
    ),
)
