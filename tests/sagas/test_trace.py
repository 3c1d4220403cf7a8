"""The story of an order, as it is read back from Kafka."""

import pytest

from ops.reading import Reader, unseen
from ops.story import NoStoryError, Teller, trace
from schemas.identity import derived_id
from schemas.topics import PAYMENTS_COMMANDS
from tests.sagas.cases import CUP, order_of
from tests.sagas.shop import Shop

pytestmark = [pytest.mark.connected]

HAPPY = {
    *("CartCheckedOut", "StartCheckout", "CheckoutStarted", "ReserveInventory", "HoldStock", "StockHeld"),
    *("InventoryReserved", "AuthorizePayment", "PaymentProcessed", "CreateOrder", "OrderCreated", "CapturePayment"),
    *("PaymentCaptured", "ConfirmOrder", "OrderConfirmed", "OrderStatusChanged", "TakeStock", "CheckoutCompleted"),
    "InventoryAdjusted",
}


def told(shop: Shop, order_id: str) -> list[tuple[str, str, str]]:
    """Each line's message, what became of it, and whether what led to it stands above it."""
    with Reader(shop.ground.client, shop.ground.codec) as reader:
        found = trace(reader, shop.ground.environment, order_id, unseen)
    teller = Teller()
    return [(line.message, line.change, line.cause) for line in map(teller.line, found)]


def test_it_has_all_that_was_said_of_the_order_and_nothing_of_others(shop: Shop) -> None:
    lines = told(shop, order_of("all is well"))
    assert {message for message, _, _ in lines} == HAPPY
    assert [message for message, _, _ in lines].count("HoldStock") == 2


def test_it_says_what_led_to_what_a_cause_before_what_it_caused(shop: Shop) -> None:
    lines = told(shop, order_of("all is well"))
    assert lines[0][0] == "CartCheckedOut"
    for number, (message, _, cause) in enumerate(lines[1:], start=2):
        assert cause.startswith("#"), message
        assert int(cause[1:]) < number


def test_it_says_what_became_of_the_order(shop: Shop) -> None:
    shop.settled("inventory", order_of("the money can't be taken"), "RELEASED")
    changes = [change for _, change, _ in told(shop, order_of("the money can't be taken"))]
    for change in (
        *("checkout: running", "stock: reserved", "payment: authorized", "order: created"),
        *("payment: authorized -> not captured", "order: created -> cancelled", "stock: reserved -> released"),
        *("payment: not captured -> voided", "checkout: running -> failed"),
    ):
        assert change in changes


def test_an_order_that_nobody_heard_of_has_none(shop: Shop) -> None:
    with pytest.raises(NoStoryError, match=f"nothing was ever said of order {CUP} in {shop.ground.environment}"):
        told(shop, CUP)


def test_a_dead_letter_of_the_order_is_part_of_it(shop: Shop) -> None:
    order_id = derived_id("order of a dead letter")
    shop.ground.put(PAYMENTS_COMMANDS, b"no avro", order_id.encode())
    shop.ground.flush()
    shop.until(lambda: any(each.key == order_id for each in shop.dead_letters()))
    assert ("unreadable (dead letter)", "", "") in told(shop, order_id)


def test_it_reads_no_more_than_where_the_order_lies_and_tells_how_far_it_is(shop: Shop) -> None:
    told_of: list[tuple[int, int]] = []
    with Reader(shop.ground.client, shop.ground.codec) as reader:
        trace(reader, shop.ground.environment, order_of("all is well"), lambda *far: told_of.append(far))
    assert told_of[-1][0] == told_of[-1][1]
    assert sum(done for done, total in told_of if done == total) < len(shop.said)
