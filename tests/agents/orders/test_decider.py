from collections.abc import Sequence

import pytest

from agents.orders.answers import confirmation_number
from agents.orders.service import orders
from agents.orders.state import TERMINAL_STAYS, Status
from schemas.checkout import CheckoutLine, StartCheckout
from schemas.message import Message
from schemas.orders import (
    CancellationReason,
    CancellationRejectionReason,
    CreatedItem,
    OrderCancellationRejected,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
    OrderRejectionReason,
    OrderStatusChanged,
    StatusAfter,
    StatusBefore,
)
from tests.agents.orders.stories import (
    CANCEL,
    CANCEL_FOR_FRAUD,
    CONFIRM,
    CREATE,
    CREATE_PLACED,
    CUSTOMER,
    DELIVERED,
    ORDER,
    PLACE,
    PLACE_ELSEWHERE,
    SUM,
    TOTAL,
    an_order,
    costing,
    paid,
)
from tests.agents.talk import SECOND, START

FIRST, SECOND_MESSAGE, THIRD = START + SECOND, START + 2 * SECOND, START + 3 * SECOND


def changed(before: str, after: str, sequence: int, why: str, at: int) -> OrderStatusChanged:
    return OrderStatusChanged(
        orderId=ORDER,
        previousStatus=StatusBefore(before),
        newStatus=StatusAfter(after),
        sequence=sequence,
        changeReason=why,
        changedAt=at,
    )


def cancelled(reason: str, at: int, customer: str | None = CUSTOMER) -> OrderCancelled:
    return OrderCancelled(orderId=ORDER, customerId=customer, reason=CancellationReason(reason), cancelledAt=at)


def rejected(answers: Sequence[Message]) -> tuple[OrderRejectionReason, str | None]:
    (answer,) = answers
    assert isinstance(answer, OrderRejected)
    assert answer.orderId == ORDER
    return answer.reason, answer.detail


def test_an_order_is_created_as_it_was_asked_for() -> None:
    assert an_order().hear(CREATE) == (
        OrderCreated(
            orderId=ORDER,
            customerId=CUSTOMER,
            total=TOTAL,
            currency="EUR",
            status="CREATED",
            items=tuple(
                CreatedItem(sku=line.productId, quantity=line.quantity, unitPrice=line.unitPrice)
                for line in CREATE.items
            ),
            createdAt=FIRST,
        ),
    )


def test_a_confirmed_order_has_a_number_and_tells_of_its_first_transition() -> None:
    assert an_order().after(CREATE).hear(CONFIRM) == (
        OrderConfirmed(
            orderId=ORDER,
            customerId=CUSTOMER,
            confirmationNumber=confirmation_number(ORDER),
            paymentAuthorizationId=CONFIRM.paymentAuthorizationId,
            inventoryReservationId=CONFIRM.inventoryReservationId,
            total=TOTAL,
            currency="EUR",
            confirmedAt=SECOND_MESSAGE,
        ),
        changed("CREATED", "CONFIRMED", 1, "paid", SECOND_MESSAGE),
    )


def test_a_confirmation_that_names_no_authorization_has_the_one_that_the_order_was_created_with() -> None:
    confirmed, _ = an_order().after(CREATE).hear(CONFIRM.model_copy(update={"paymentAuthorizationId": None}))
    assert isinstance(confirmed, OrderConfirmed)
    assert confirmed.paymentAuthorizationId == CREATE.paymentAuthorizationId


def test_a_confirmation_number_follows_from_the_order() -> None:
    # Pinned: customers quote it.
    assert confirmation_number(ORDER) == "ORD-54651197"


def test_an_order_is_completed_when_its_goods_are_handed_over() -> None:
    assert an_order().after(CREATE, CONFIRM).hear(DELIVERED) == (
        OrderCompleted(orderId=ORDER, customerId=CUSTOMER, completedAt=DELIVERED.deliveredAt or 0),
        changed("CONFIRMED", "COMPLETED", 2, "goods handed over", THIRD),
    )


def test_a_delivery_without_a_time_is_of_the_time_of_its_record() -> None:
    completed, _ = an_order().after(CREATE, CONFIRM).hear(DELIVERED.model_copy(update={"deliveredAt": None}))
    assert completed == OrderCompleted(orderId=ORDER, customerId=CUSTOMER, completedAt=THIRD)


@pytest.mark.parametrize(
    ("before", "status"),
    [([CREATE], "CREATED"), ([CREATE, CONFIRM], "CONFIRMED"), ([PLACE, CREATE_PLACED], "CREATED")],
)
def test_an_order_that_exists_is_cancelled_and_tells_of_the_transition(before: list[Message], status: str) -> None:
    order = an_order().after(*before)
    assert order.hear(CANCEL) == (
        cancelled("CUSTOMER_REQUESTED", order.at),
        changed(status, "CANCELLED", 2 if status == "CONFIRMED" else 1, "cancelled: CUSTOMER_REQUESTED", order.at),
    )


@pytest.mark.parametrize(("before", "customer"), [([], None), ([PLACE], CUSTOMER), ([paid(1)], None)])
def test_a_cancel_before_the_order_exists_is_answered_and_no_transition(
    before: list[Message], customer: str | None
) -> None:
    order = an_order().after(*before)
    assert order.hear(CANCEL) == (cancelled("CUSTOMER_REQUESTED", order.at, customer),)


@pytest.mark.parametrize("before", [[CANCEL], [PLACE, CANCEL], [CREATE, CANCEL], [CREATE, CONFIRM, CANCEL]])
@pytest.mark.parametrize("late", [CREATE, CREATE_PLACED, PLACE])
def test_what_a_cancel_overtook_is_refused(before: list[Message], late: Message) -> None:
    reason, detail = rejected(an_order().after(*before).hear(late))
    assert reason == OrderRejectionReason.ALREADY_CANCELLED
    assert detail == "it was cancelled before: CUSTOMER_REQUESTED"


@pytest.mark.parametrize("repeated", [CANCEL_FOR_FRAUD, CONFIRM])
def test_a_cancelled_order_says_so_with_its_first_reason_and_time(repeated: Message) -> None:
    order = an_order().after(CREATE, CANCEL)
    assert order.hear(repeated) == (cancelled("CUSTOMER_REQUESTED", SECOND_MESSAGE),)


def test_a_reason_that_only_newer_code_knows_still_cancels() -> None:
    unknown = CANCEL.model_copy(update={"reason": CancellationReason.UNRECOGNIZED})
    assert an_order().hear(unknown) == (cancelled("CUSTOMER_REQUESTED", FIRST, None),)


def test_a_completed_order_can_not_be_cancelled() -> None:
    order = an_order().after(CREATE, CONFIRM, DELIVERED)
    assert order.hear(CANCEL) == (
        OrderCancellationRejected(
            orderId=ORDER,
            requestedReason=CancellationReason.CUSTOMER_REQUESTED,
            reason=CancellationRejectionReason.COMPLETED,
            rejectedAt=order.at,
        ),
    )
    assert order.state
    assert order.state.status is Status.COMPLETED


@pytest.mark.parametrize("since", [[CONFIRM], [CONFIRM, DELIVERED]])
@pytest.mark.parametrize("repeated", [CREATE, CONFIRM])
def test_a_repeated_request_is_answered_as_the_first_time_and_nothing_changes(
    repeated: Message, since: list[Message]
) -> None:
    order = an_order()
    answers: dict[type[Message], Message] = {type(each): order.hear(each)[0] for each in (CREATE, CONFIRM)}
    before = order.after(*since[1:]).state
    assert order.hear(repeated) == (answers[type(repeated)],)
    assert order.state == before


@pytest.mark.parametrize("before", [[PLACE], [PLACE, CREATE_PLACED], [PLACE, CREATE_PLACED, CONFIRM]])
def test_an_order_that_is_placed_again_is_silent(before: list[Message]) -> None:
    order = an_order().after(*before)
    state = order.state
    assert order.hear(PLACE.model_copy(update={"meta": None})) == ()
    assert order.state == state


@pytest.mark.parametrize(
    ("before", "other"),
    [
        ([CREATE], costing(TOTAL - 1)),
        ([CREATE, CONFIRM], costing(TOTAL + 1)),
        ([CREATE, CONFIRM, DELIVERED], CREATE_PLACED),
        ([CREATE], PLACE),
        ([PLACE], CREATE),
        ([PLACE], PLACE_ELSEWHERE),
        ([PLACE, CREATE_PLACED], paid(1)),
    ],
)
def test_another_order_of_the_same_id_is_a_conflict_and_changes_nothing(before: list[Message], other: Message) -> None:
    order = an_order().after(*before)
    state = order.state
    reason, detail = rejected(order.hear(other))
    assert reason == OrderRejectionReason.CONFLICTING_ORDER
    assert detail
    assert "this id belongs to an order of" in detail
    assert order.state == state


def test_a_discount_is_fine_but_nothing_may_come_on_top() -> None:
    assert isinstance(an_order().hear(costing(1))[0], OrderCreated)
    assert rejected(an_order().hear(costing(SUM + 1))) == (
        OrderRejectionReason.INVALID,
        f"its total is {SUM + 1} EUR in minor units, but its items sum up to {SUM}",
    )


def test_an_order_from_outside_starts_a_checkout_of_its_own_id() -> None:
    assert an_order().hear(PLACE) == (
        StartCheckout(
            checkoutId=ORDER,
            cartId=ORDER,
            attempt=1,
            customerId=CUSTOMER,
            items=tuple(
                CheckoutLine(productId=item.itemId, quantity=item.quantity, unitPrice=item.price)
                for item in PLACE.items
            ),
            total=SUM,
            currency="EUR",
        ),
    )


def test_what_its_checkout_creates_is_the_order_that_was_placed() -> None:
    (created,) = an_order().after(PLACE).hear(CREATE_PLACED)
    assert isinstance(created, OrderCreated)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (paid(SUM - 1), f"the payment is of {SUM - 1} EUR in minor units, but its items sum up to {SUM}"),
        (paid(SUM + 1), f"the payment is of {SUM + 1} EUR in minor units, but its items sum up to {SUM}"),
        (PLACE.model_copy(update={"items": ()}), "it orders nothing"),
        (
            PLACE.model_copy(update={"items": (PLACE.items[0], PLACE.items[0])}),
            f"it has several items of product {PLACE.items[0].itemId}: one item per product, with its quantity",
        ),
    ],
)
def test_an_order_from_outside_that_does_not_add_up_is_rejected_with_the_figures(wrong: Message, why: str) -> None:
    assert rejected(an_order().hear(wrong)) == (OrderRejectionReason.INVALID, why)


@pytest.mark.parametrize("wrong", [paid(1), costing(SUM + 1), CONFIRM])
@pytest.mark.parametrize("later", [PLACE, CREATE, CONFIRM])
def test_under_the_id_of_a_rejected_order_there_never_is_one(wrong: Message, later: Message) -> None:
    order = an_order()
    rejection = order.hear(wrong)
    assert rejected(rejection)[0] == OrderRejectionReason.INVALID
    assert order.hear(later) == rejection


def test_an_order_that_is_only_placed_can_not_be_confirmed_yet() -> None:
    order = an_order().after(PLACE)
    assert rejected(order.hear(CONFIRM))[0] == OrderRejectionReason.INVALID
    assert isinstance(order.hear(CREATE_PLACED)[0], OrderCreated)


@pytest.mark.parametrize(
    "before", [[], [PLACE], [CREATE], [CREATE, CANCEL], [CREATE, CONFIRM, CANCEL], [CREATE, CONFIRM, DELIVERED]]
)
def test_a_parcel_changes_nothing_unless_the_order_is_confirmed(before: list[Message]) -> None:
    order = an_order().after(*before)
    state = order.state
    assert order.hear(DELIVERED) == ()
    assert order.state == state


@pytest.mark.parametrize(
    ("story", "stays"),
    [
        ([PLACE], True),
        ([PLACE, CREATE_PLACED], False),
        ([CREATE], False),
        ([CREATE, CONFIRM], False),
        ([CREATE, CANCEL], True),
        ([CANCEL], True),
        ([paid(1)], True),
        ([CREATE, CONFIRM, DELIVERED], True),
    ],
)
def test_an_order_that_has_ended_is_forgotten_later_and_repeats_do_not_keep_it(
    story: list[Message], stays: bool
) -> None:
    order = an_order().after(*story)
    expires = order.at + TERMINAL_STAYS if stays else None
    assert order.expires == expires
    order.hear(DELIVERED if story != [CREATE, CONFIRM] else CREATE)
    assert order.expires == expires


def test_a_request_without_its_order_is_a_dead_letter_that_says_so() -> None:
    with pytest.raises(ValueError, match=r"CreateOrder\.orderId must be set"):
        an_order().hear(CREATE.model_copy(update={"orderId": None}))


def test_it_consumes_and_sends_what_the_contract_says_of_orders() -> None:
    assert all("orders" in message.contract.consumers for message in orders.consumes)
    assert all("orders" in message.contract.producers for message in orders.sends)
