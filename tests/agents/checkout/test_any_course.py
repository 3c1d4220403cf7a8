"""Whatever a cart is told, in any order: one checkout at a time, and each of them once."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from agents.checkout.state import Checkouts
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected, CheckoutRejectionReason, StartCheckout
from schemas.examples import CART
from schemas.identity import checkout_id
from schemas.message import Message
from schemas.shopping import CartCheckedOut, CartRejectionReason
from streams.decision import Wake
from tests.agents.checkout.story import Cart, command, completed, failed, priced, turned_down

numbers = st.integers(1, 5)
ids = st.integers(1, 4).map(lambda attempt: checkout_id(CART, attempt))
#: None: nobody says anything for long.
courses = st.lists(
    st.one_of(
        st.builds(command, numbers),
        st.builds(priced, numbers),
        st.builds(lambda number: priced(number, total=1), numbers),
        st.builds(lambda number: priced(number, meta=None), numbers),
        st.builds(turned_down, st.sampled_from(CartRejectionReason), numbers),
        st.builds(failed, ids),
        st.builds(completed, ids),
        st.none(),
    ),
    max_size=40,
)


def lived(course: Sequence[Message | None]) -> list[tuple[Message | Wake, Sequence[Message], Checkouts]]:
    """What it heard each time, what it sent then, and what it knew before."""
    cart = Cart()
    steps: list[tuple[Message | Wake, Sequence[Message], Checkouts]] = []
    for message in course:
        before = cart.state or Checkouts(CART)
        if message is not None:
            steps.append((message, cart.hear(message), before))
        elif cart.timer is not None:
            steps.append((Wake(cart.timer), cart.silence(), before))
        after = cart.state or Checkouts(CART)
        assert (cart.timer is None) == (after.customer_id is None)
        assert not (after.live and after.completed)
    return steps


@given(courses)
def test_one_checkout_at_a_time_under_a_new_id_and_none_after_it_was_bought(course: list[Message | None]) -> None:
    under_way, bought, started = None, False, []
    for message, sent, _ in lived(course):
        match message:
            case CheckoutCompleted() | CheckoutFailed() if message.checkoutId == under_way:
                under_way, bought = None, isinstance(message, CheckoutCompleted)
            case _:
                pass
        for start in sent:
            if isinstance(start, StartCheckout):
                assert under_way is None
                assert not bought
                under_way = start.checkoutId
                started.append(start)
    assert [start.checkoutId for start in started] == [checkout_id(CART, each + 1) for each in range(len(started))]


@given(courses)
def test_each_priced_cart_is_started_or_turned_away_unless_it_is_a_repeat(course: list[Message | None]) -> None:
    for message, sent, before in lived(course):
        if isinstance(message, CartCheckedOut):
            repeat = message.eventId in before.event_ids
            assert len(sent) == (0 if repeat else 1)
        for rejected in sent:
            if isinstance(rejected, CheckoutRejected) and rejected.reason is CheckoutRejectionReason.DUPLICATE:
                assert rejected.checkoutId == (before.live or before.completed)


@given(courses)
def test_a_command_that_is_waited_for_is_answered_at_the_deadline(course: list[Message | None]) -> None:
    assert all(len(sent) == 1 for message, sent, _ in lived([*course, None]) if isinstance(message, Wake))
