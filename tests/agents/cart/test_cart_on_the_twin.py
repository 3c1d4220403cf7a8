"""Carts beside a checkout that hears of things in its own order, and a customer who does not give up."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from agents.cart.service import cart
from agents.cart.state import Status
from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutLine,
    CheckoutRejected,
    StartCheckout,
)
from schemas.identity import checkout_id
from schemas.shopping import CartCheckedOut, CartCommandRejected, CheckoutCart, ProductListed
from schemas.topics import CARTS_EVENTS, CHECKOUT_EVENTS
from streams.decision import Decision, Wake
from streams.memory.task import Boundary, Task
from streams.memory.twin import Twin, by_chance
from streams.service import Service
from streams.testing.purity import guarded
from tests.agents.cart.shop import CART, CUP, CUSTOMER, add, check_out, completed, duplicate, failed, listed
from tests.agents.ids import AT

#: The attempt that goes well.
GOOD = 6


@dataclass(frozen=True, slots=True)
class Till:
    """One checkout of a cart at a time, as checkout-api has it."""

    attempts: int = 0
    running: str | None = None


def start(state: Till | None, message: CartCheckedOut | CheckoutFailed | CheckoutCompleted, at: int) -> Decision[Till]:
    till = state or Till()
    if isinstance(message, CheckoutCompleted):
        return Decision(till)  # from now on everything duplicates it
    if isinstance(message, CheckoutFailed):
        return Decision(replace(till, running=None) if message.checkoutId == till.running else till)
    if till.running:
        return Decision(till, sends=(duplicate(of=till.running, name=None),))
    attempt = till.attempts + 1
    begun = StartCheckout(
        checkoutId=checkout_id(CART, attempt),
        cartId=CART,
        attempt=attempt,
        customerId=CUSTOMER,
        items=tuple(CheckoutLine(**item.model_dump()) for item in message.items),
        total=message.total,
        currency=message.currency,
    )
    return Decision(Till(attempt, begun.checkoutId), sends=(begun,))


def run_it(state: Till | None, message: StartCheckout, at: int) -> Decision[Till]:
    end = completed if message.attempt == GOOD else failed
    return Decision(Till(), sends=(end(message.checkoutId),))


def insist(
    state: Till | None,
    message: CheckoutFailed | CheckoutRejected | CartCommandRejected | CheckoutCompleted | Wake,
    at: int,
) -> Decision[Till]:
    """Ask again at once after a failure, and then each second until it is bought."""
    if isinstance(message, CheckoutCompleted) or state == Till(GOOD):
        return Decision(Till(GOOD))
    asked = (check_out(),) if isinstance(message, CheckoutFailed | Wake) else ()
    return Decision(Till(), sends=asked, timer=at + 1_000)


till = Service(name="till", state=Till, decide=start, sends=(StartCheckout, CheckoutRejected))
saga = Service(name="saga", state=Till, decide=run_it, sends=(CheckoutCompleted, CheckoutFailed))
customer = Service(name="customer", state=Till, decide=insist, sends=(CheckoutCart,))


def shopped(seed: int) -> Twin:
    """Until a customer has bought two cups."""
    often, seldom = by_chance(seed, one_in=6), by_chance(seed + 1, one_in=40)

    def crash(task: Task, boundary: Boundary) -> bool:
        """The till dies so often that the others are ahead of it."""
        return (often if task.service is till else seldom)(task, boundary)

    twin = Twin([cart, till, saga, customer], seed=seed, partitions=1, crash=crash)
    twin.advance(AT)
    for message in (listed(CUP, 1_999), add(CUP, 2), check_out()):
        twin.publish(message)
    twin.run(until=AT + 60_000)
    return twin


@given(seed=st.integers(0, 2**16))
def test_a_customer_who_asks_again_buys_in_the_end_and_once(seed: int) -> None:
    """In whatever order the services hear of a failure, and whoever dies: no cart stays closed that was not bought."""
    twin = shopped(seed)
    assert twin.dead_letters == []
    assert twin.states(cart)[CART].status is Status.BOUGHT
    ends = [each for each in twin.messages(CHECKOUT_EVENTS) if isinstance(each, CheckoutCompleted)]
    assert {each.checkoutId for each in ends} == {checkout_id(CART, GOOD)}
    bills = [each for each in twin.messages(CARTS_EVENTS) if isinstance(each, CartCheckedOut)]
    assert {each.total for each in bills} == {2 * 1_999}


def test_some_of_these_customers_are_told_of_duplicates() -> None:
    """Else the test above would prove nothing of them."""
    said = [each for seed in range(20) for each in shopped(seed).messages(CHECKOUT_EVENTS)]
    assert any(isinstance(each, CheckoutRejected) for each in said)


def test_a_cart_decides_by_its_arguments_alone() -> None:
    service = guarded(cart)
    twin = Twin([service])
    twin.advance(AT)
    for message in (listed(CUP, 1_999), add(CUP), check_out("AUTUMN"), check_out(), failed(), check_out()):
        twin.publish(message)
        twin.run(until=twin.now)
    twin.retract(ProductListed, CUP)
    assert twin.dead_letters == []
    assert twin.states(service)[CART].checkouts == 2
