"""Carts beside checkout-api, which hears of things in its own order, and a customer who does not give up."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from agents.cart.service import cart
from agents.cart.state import Status
from agents.checkout.service import checkout
from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutRejected,
    CheckoutRejectionReason,
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
from tests.agents.cart.shop import CART, CUP, add, check_out, completed, failed, listed
from tests.agents.ids import AT

#: The attempt that goes well.
GOOD = 6


@dataclass(frozen=True, slots=True)
class Asked:
    """A customer, or a saga; and whether it has come to a good end."""

    bought: bool = False


def run_it(state: Asked | None, message: StartCheckout, at: int) -> Decision[Asked]:
    end = completed if message.attempt == GOOD else failed
    return Decision(Asked(), sends=(end(message.checkoutId),))


def insist(
    state: Asked | None,
    message: CheckoutFailed | CheckoutRejected | CartCommandRejected | CheckoutCompleted | Wake,
    at: int,
) -> Decision[Asked]:
    """Ask again at once after a failure, and then each second until it is bought."""
    if isinstance(message, CheckoutCompleted) or state == Asked(bought=True):
        return Decision(Asked(bought=True))
    asked = (check_out(),) if isinstance(message, CheckoutFailed | Wake) else ()
    return Decision(Asked(), sends=asked, timer=at + 1_000)


saga = Service(name="saga", state=Asked, decide=run_it, sends=(CheckoutCompleted, CheckoutFailed))
customer = Service(name="customer", state=Asked, decide=insist, sends=(CheckoutCart,))


def shopped(seed: int) -> Twin:
    """Until a customer has bought two cups."""
    often, seldom = by_chance(seed, one_in=6), by_chance(seed + 1, one_in=40)

    def crash(task: Task, boundary: Boundary) -> bool:
        """Checkout dies so often that the others are ahead of it."""
        return (often if task.service is checkout else seldom)(task, boundary)

    twin = Twin([cart, checkout, saga, customer], seed=seed, partitions=1, crash=crash)
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


@given(seed=st.integers(0, 2**16))
def test_what_checkout_says_of_a_refused_command_does_not_open_what_the_next_one_handed_over(seed: int) -> None:
    twin = Twin([cart, checkout], seed=seed, partitions=1)
    twin.advance(AT)
    for message in (listed(CUP, 1_999), add(CUP), check_out("AUTUMN", name="first"), check_out(name="second")):
        twin.publish(message)
    twin.run(until=AT + 1_000)
    said = [each.reason for each in twin.messages(CHECKOUT_EVENTS) if isinstance(each, CheckoutRejected)]
    assert said == [CheckoutRejectionReason.INVALID]
    assert twin.states(cart)[CART].status is Status.CHECKED_OUT


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
