import json
from typing import Any

import httpx
import pytest
from psycopg import Connection

from schemas.identity import derived_id
from tests.projections.api import rows
from tests.projections.api.rows import AT_MILLIS, CUSTOMER, ORDER, PRODUCT

pytestmark = pytest.mark.connected


def test_an_order_is_answered_as_get_order_says_with_its_details(api: httpx.Client, connection: Connection) -> None:
    other = derived_id("test", "gone from the order")
    rows.order(connection, confirmation_number="ORD-00000001", confirmed_at=rows.AT)
    rows.item(connection)
    rows.item(connection, product=other, line=2, quantity=0)
    answer = api.get(f"/orders/{ORDER}")
    assert answer.status_code == 200
    assert answer.json() | {"sequence": 0} == {
        "orderId": ORDER,
        "customerId": CUSTOMER,
        "status": "CONFIRMED",
        "items": [{"productId": PRODUCT, "quantity": 2, "unitPrice": 1_999}],
        "total": 3_998,
        "currency": "EUR",
        "createdAt": AT_MILLIS,
        "confirmedAt": AT_MILLIS,
        "completedAt": None,
        "cancelledAt": None,
        "rejectedAt": None,
        "changedAt": AT_MILLIS,
        "confirmationNumber": "ORD-00000001",
        "paymentAuthorizationId": None,
        "inventoryReservationId": None,
        "cancellationReason": None,
        "rejectionReason": None,
        "rejectionDetail": None,
        "sequence": 0,
        "version": 1,
    }


def test_an_order_that_never_came_to_be_is_answered_with_what_is_known(
    api: httpx.Client, connection: Connection
) -> None:
    nothing: dict[str, Any] = dict.fromkeys(("customer_id", "total", "currency", "created_at"))
    rows.order(connection, ORDER, **nothing, cancelled_at=rows.AT, cancellation_reason="FRAUD")
    answer = api.get(f"/orders/{ORDER}").json()
    assert (answer["status"], answer["cancellationReason"], answer["total"]) == ("CANCELLED", "FRAUD", None)


def test_an_order_is_sent_again_only_when_it_has_changed(api: httpx.Client, connection: Connection) -> None:
    rows.order(connection)
    tag = api.get(f"/orders/{ORDER}").headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = api.get(f"/orders/{ORDER}", headers={"If-None-Match": known})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    rows.step(connection, 1, "CREATED", "CONFIRMED")
    changed = api.get(f"/orders/{ORDER}", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_a_rebuild_that_mends_a_row_changes_the_tag_though_the_version_is_the_same(
    api: httpx.Client, connection: Connection
) -> None:
    rows.order(connection)
    tag = api.get(f"/orders/{ORDER}").headers["ETag"]
    connection.execute("UPDATE orders.orders SET total = 1")
    assert api.get(f"/orders/{ORDER}", headers={"If-None-Match": tag}).json()["total"] == 1


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
@pytest.mark.parametrize("status", [None, "CREATED"])
def test_a_customers_orders_come_newest_first_and_each_once_whatever_the_pages(
    api: httpx.Client, connection: Connection, limit: int, status: str | None
) -> None:
    for number in range(12):
        # Three of each moment, so that the order among equals counts, too.
        at = f"2026-11-21T12:00:00.{number // 3:03}Z"
        rows.order(connection, derived_id("test", number), created_at=at, confirmed_at=at if number % 2 else None)
    rows.order(connection, ORDER, customer_id=derived_id("somebody else"))
    wanted = connection.execute(
        "SELECT order_id::text FROM orders.orders WHERE customer_id = %s AND (%s::text IS NULL OR status = %s) "
        "ORDER BY created_at DESC, order_id",
        [CUSTOMER, status, status],
    ).fetchall()
    asked: dict[str, Any] = {"customerId": CUSTOMER, "limit": limit} | ({"status": status} if status else {})
    found, cursor = [], None
    while True:
        page = api.get("/orders", params=asked | ({"cursor": cursor} if cursor else {})).json()
        assert len(page["orders"]) <= limit
        found += [(each["orderId"],) for each in page["orders"]]
        if (cursor := page["next"]) is None:
            break
    assert found == wanted


def test_a_page_stays_where_it_was_while_new_orders_come(api: httpx.Client, connection: Connection) -> None:
    for number in range(4):
        rows.order(connection, derived_id("test", number), created_at=f"2026-11-21T12:00:0{number}Z")
    first = api.get("/orders", params={"customerId": CUSTOMER, "limit": 2}).json()
    rows.order(connection, ORDER, created_at="2026-11-21T13:00:00Z")
    second = api.get("/orders", params={"customerId": CUSTOMER, "limit": 2, "cursor": first["next"]}).json()
    assert [each["orderId"] for each in first["orders"] + second["orders"]] == [
        derived_id("test", number) for number in (3, 2, 1, 0)
    ]


def test_a_cursor_of_another_list_is_refused(api: httpx.Client, connection: Connection) -> None:
    for number in range(2):
        rows.order(connection, derived_id("test", number))
    cursor = api.get("/orders", params={"customerId": CUSTOMER, "limit": 1}).json()["next"]
    answer = api.get("/orders", params={"customerId": CUSTOMER, "status": "CREATED", "cursor": cursor})
    assert answer.status_code == 422
    assert "begin again without one" in answer.json()["errors"][0]["problem"]


def test_the_history_of_an_order_tells_its_steps_in_order(api: httpx.Client, connection: Connection) -> None:
    rows.order(connection)
    rows.step(connection, 1, "CREATED", "CONFIRMED")
    rows.step(connection, 2, "CONFIRMED", "COMPLETED")
    answer = api.get(f"/orders/{ORDER}/history").json()
    assert [(each["sequence"], each["previousStatus"], each["status"]) for each in answer["changes"]] == [
        (1, "CREATED", "CONFIRMED"),
        (2, "CONFIRMED", "COMPLETED"),
    ]
    assert answer["next"] is None
    assert len(api.get(f"/orders/{ORDER}/history", params={"after": 1}).json()["changes"]) == 1


def events(lines: list[str]) -> list[int]:
    return [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]


def test_a_stream_tells_what_was_what_comes_and_ends_with_the_order(api: httpx.Client, connection: Connection) -> None:
    rows.order(connection)
    rows.step(connection, 1, "CREATED", "CONFIRMED")
    told = []
    with api.stream("GET", f"/orders/{ORDER}/events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            told.append(line)
            if line.startswith("data: "):
                change = json.loads(line.removeprefix("data: "))
                if change["sequence"] == 1:
                    rows.step(connection, 2, "CONFIRMED", "COMPLETED")
    assert events(told) == [1, 2]


def test_a_stream_that_was_cut_off_goes_on_behind_what_was_heard(api: httpx.Client, connection: Connection) -> None:
    rows.order(connection)
    rows.step(connection, 1, "CREATED", "CONFIRMED")
    rows.step(connection, 2, "CONFIRMED", "CANCELLED")
    heard = api.get(f"/orders/{ORDER}/events", headers={"Last-Event-ID": "1"})
    assert events(heard.text.splitlines()) == [2]
    over = api.get(f"/orders/{ORDER}/events", headers={"Last-Event-ID": "2"})
    assert (over.status_code, over.content) == (204, b"")


def test_a_stream_that_is_silent_says_that_it_lives(
    api: httpx.Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.api.orders.HEARTBEAT_SECONDS", 0.05)
    rows.order(connection)
    with api.stream("GET", f"/orders/{ORDER}/events") as stream:
        assert ": still here" in stream.iter_lines()


@pytest.mark.parametrize("path", ["", "/history", "/events"])
def test_an_order_that_nobody_knows_is_not_found(api: httpx.Client, path: str) -> None:
    answer = api.get(f"/orders/{ORDER}{path}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert ORDER in answer.json()["detail"]
