"""What a projector would have written."""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Identifier, Placeholder
from psycopg.types.json import Jsonb

from schemas.identity import derived_id

AT = "2026-11-21T12:00:00Z"
AT_MILLIS = 1_795_262_400_000
CUSTOMER = derived_id("test", "customer")
PRODUCT = derived_id("test", "product")
ORDER = derived_id("test", "order")
CART = derived_id("test", "cart")


def put(connection: Connection, table: str, **values: Any) -> None:
    schema, name = table.split(".")
    statement = SQL("INSERT INTO {} ({}) VALUES ({})").format(
        Identifier(schema, name),
        SQL(", ").join(map(Identifier, values)),
        SQL(", ").join(map(Placeholder, values)),
    )
    connection.execute(statement, {key: _adapted(value) for key, value in values.items()})


def _adapted(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, Mapping) else value


def order(connection: Connection, order_id: str = ORDER, **values: Any) -> None:
    created: dict[str, Any] = {"customer_id": CUSTOMER, "total": 3_998, "currency": "EUR", "revision": 1}
    row = {"order_id": order_id, "created_at": AT, "changed_at": AT, "version": 1, **created, **values}
    put(connection, "orders.orders", **row)


def item(connection: Connection, order_id: str = ORDER, product: str = PRODUCT, **values: Any) -> None:
    row = {"order_id": order_id, "product_id": product, "line": 1, "quantity": 2, "unit_price": 1_999, "revision": 1}
    put(connection, "orders.order_items", **{**row, "version": 1, **values})


def step(connection: Connection, sequence: int, previous: str, status: str, order_id: str = ORDER) -> None:
    """A status change, in the history and in the order."""
    where = {"topic_partition": 0, "topic_offset": sequence, "changed_at": AT}
    change = {"order_id": order_id, "sequence": sequence, "previous_status": previous, "status": status}
    with connection.transaction():
        put(connection, "orders.order_status_history", **change, reason="because", **where)
        connection.execute(
            "UPDATE orders.orders SET reached = %s, sequence = %s, version = version + 1 WHERE order_id = %s",
            [status, sequence, order_id],
        )


def stock(connection: Connection, product: str = PRODUCT, **values: Any) -> None:
    put(connection, "inventory.stock", **{"product_id": product, "changed_at": AT, "version": 1, **values})


def reservation(
    connection: Connection, reservation_id: str, quantity: int, product: str = PRODUCT, **values: Any
) -> None:
    row = {"reservation_id": reservation_id, "reserved_at": AT, "version": 1, **values}
    put(connection, "inventory.reservations", **row)
    held = {"reservation_id": reservation_id, "product_id": product, "quantity": quantity, "version": 1}
    put(connection, "inventory.reservation_items", **held)


def payment(connection: Connection, **values: Any) -> None:
    put(
        connection,
        "payments.payments",
        **{"payment_id": ORDER, "order_id": ORDER, "changed_at": AT, "version": 1, **values},
    )


def checkout(connection: Connection, checkout_id: str, **values: Any) -> None:
    row = {"checkout_id": checkout_id, "cart_id": CART, "customer_id": CUSTOMER, "attempt": 1, "version": 1}
    put(connection, "checkouts.checkouts", **{**row, "started_at": AT, **values})
