import httpx
import pytest
from psycopg import Connection

from schemas.identity import derived_id
from tests.projections.api import rows
from tests.projections.api.rows import AT_MILLIS, ORDER, PRODUCT
from tests.projections.api.test_problems import problem

pytestmark = pytest.mark.connected

WAREHOUSE = derived_id("test", "warehouse")


@pytest.fixture
def shelves(connection: Connection) -> dict[str, tuple[int, int]]:
    """Products by what can still be held and what is held."""
    found = {}
    for number in range(25):
        product = derived_id("shelf", number)
        rows.stock(connection, product, on_hand=number, warehouse_id=WAREHOUSE if number % 2 else None)
        held = number // 2
        if held:
            rows.reservation(connection, derived_id("held", number), held, product)
        found[product] = (number - held, held)
    return found


def test_what_is_held_is_no_longer_available_but_what_left_or_came_back_does_not_count(
    api: httpx.Client, connection: Connection
) -> None:
    rows.stock(connection, on_hand=10, warehouse_id=WAREHOUSE)
    for name, facts in {"held": {}, "sold": {"confirmed_at": rows.AT}, "back": {"released_at": rows.AT}}.items():
        rows.reservation(connection, derived_id(name), 3, **facts)
    assert api.get(f"/inventory/{PRODUCT}").json() == {
        "productId": PRODUCT,
        "availableQuantity": 7,
        "reservedQuantity": 3,
        "warehouseLocation": WAREHOUSE,
    }
    assert api.get(f"/stock/{PRODUCT}").json() == {"productId": PRODUCT, "available": 7, "reserved": 3}


def test_what_can_be_held_is_never_shown_as_less_than_nothing(api: httpx.Client, connection: Connection) -> None:
    rows.stock(connection, on_hand=1)
    rows.reservation(connection, ORDER, 3)
    answer = api.get(f"/inventory/{PRODUCT}").json()
    assert (answer["availableQuantity"], answer["reservedQuantity"], answer["warehouseLocation"]) == (0, 3, "unknown")


def test_a_product_whose_stock_nobody_said_is_not_found(api: httpx.Client, connection: Connection) -> None:
    rows.stock(connection, on_hand=None)
    for path in ("inventory", "stock"):
        problem(api.get(f"/{path}/{PRODUCT}"), "not-found")
    assert api.get("/inventory").json()["totalItems"] == 0


def test_every_product_stands_on_one_page(api: httpx.Client, shelves: dict[str, tuple[int, int]]) -> None:
    found = []
    for page in (1, 2, 3, 4):
        answer = api.get("/inventory", params={"page": page}).json()
        assert (answer["page"], answer["pageSize"], answer["totalItems"]) == (page, 10, 25)
        found += answer["items"]
    assert [each["productId"] for each in found] == sorted(shelves)
    assert {each["productId"]: (each["availableQuantity"], each["reservedQuantity"]) for each in found} == shelves


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("minStockLevel=10", 6),
        ("inStock=true", 24),
        ("inStock=false", 1),
        (f"location={WAREHOUSE}", 12),
        ("location=unknown", 13),
        (f"location={WAREHOUSE}&minStockLevel=10", 3),
        ("location=elsewhere", 0),
    ],
)
def test_a_filter_narrows_the_list_and_its_count(
    api: httpx.Client, shelves: dict[str, tuple[int, int]], query: str, count: int
) -> None:
    answer = api.get(f"/inventory?pageSize=100&{query}").json()
    assert answer["totalItems"] == len(answer["items"]) == count


def test_a_filter_that_no_event_feeds_is_refused_instead_of_passed_over(api: httpx.Client) -> None:
    [error] = problem(api.get("/inventory?category=cups"), "invalid").errors
    assert (error.field, error.value) == ("category", "cups")
    assert "leave it out" in error.problem


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, "pending"),
        ({"authorized_at": rows.AT}, "pending"),
        ({"authorized_at": rows.AT, "captured_at": rows.AT}, "completed"),
        ({"captured_at": rows.AT, "refund_requested_at": rows.AT}, "completed"),
        ({"captured_at": rows.AT, "refunded_at": rows.AT}, "refunded"),
        ({"failed_at": rows.AT}, "failed"),
        ({"authorized_at": rows.AT, "voided_at": rows.AT}, "failed"),
        ({"authorized_at": rows.AT, "capture_failed_at": rows.AT}, "pending"),
    ],
)
def test_a_payment_is_as_far_as_its_money(
    api: httpx.Client, connection: Connection, facts: dict[str, str], status: str
) -> None:
    rows.payment(connection, amount=3_998, currency="EUR", method="CreditCard", **facts)
    answer = api.get(f"/payments/{ORDER}").json()
    assert (answer["paymentStatus"], answer["amount"], answer["paymentDate"]) == (status, 3_998, AT_MILLIS)


def test_a_payment_that_was_refused_is_answered_with_what_is_known(api: httpx.Client, connection: Connection) -> None:
    rows.payment(connection, failed_at=rows.AT, failure_reason="CARD_DECLINED")
    answer = api.get(f"/payments/{ORDER}").json()
    assert (answer["paymentStatus"], answer["failureReason"]) == ("failed", "CARD_DECLINED")
    assert (answer["amount"], answer["transactionId"], answer["paymentMethod"]) == (None, None, None)


def test_a_payment_that_nobody_knows_is_not_found(api: httpx.Client) -> None:
    problem(api.get(f"/payments/{ORDER}"), "not-found")
