"""Carts on their way through all services: whatever befalls workers and gateway, each comes to one true end."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.checkout.service import checkout
from agents.inventory.service import inventory
from agents.inventory.state import Reservation
from agents.inventory.state import Status as Held
from agents.orchestrator.service import orchestrator
from agents.orchestrator.state import Phase
from agents.orders.service import orders
from agents.orders.state import Status as Ordered
from agents.payments.gateway import Authorized, Captured, Effect, Refunded, Voided
from agents.payments.service import payments
from agents.stock.service import stock
from ops.gateway.behaviour import CALM, ROUGH, Behaviour
from ops.gateway.hosting import POLICY
from ops.gateway.ledger import Ledger, Movement
from ops.gateway.simulated import SimulatedGateway
from schemas.checkout import CheckoutCompleted, CheckoutFailed, StartCheckout
from schemas.identity import checkout_id
from schemas.inventory import AddInventory
from schemas.message import Message
from schemas.orders import CancellationReason, CancelOrder
from schemas.payments import PaymentFailureReason
from schemas.shopping import CartCheckedOut, CartLine
from schemas.topics import CHECKOUT_COMMANDS, CHECKOUT_EVENTS
from streams.memory.task import Slowly
from streams.memory.twin import Twin, by_chance, never
from streams.testing.purity import guarded
from tests.agents.ids import AT, id_of

SERVICES = [guarded(service) for service in (checkout, orchestrator, inventory, stock, payments, orders)]
CHECKOUT, ORCHESTRATOR, INVENTORY, STOCK, PAYMENTS, ORDERS = SERVICES
PRODUCTS = [id_of(1), id_of(2), id_of(3)]
PRICE = 1_000
#: Longer than any checkout, and shorter than what has ended is remembered.
ENOUGH = 6 * 3_600_000


@dataclass(frozen=True, slots=True)
class Buyer:
    """One cart, and what its customer does."""

    #: By product, how many pieces.
    pieces: tuple[int, ...]
    #: Whether the cart is published twice.
    twice: bool = False
    #: Millis after the start at which the first attempt is called off.
    cancels_after: int | None = None


BUYERS = st.lists(
    st.builds(
        Buyer,
        st.tuples(*[st.integers(0, 2)] * len(PRODUCTS)).filter(any),
        st.booleans(),
        st.none() | st.integers(0, 20).map(lambda moment: 50 * moment),
    ),
    min_size=4,
    max_size=10,
)
BEHAVIOURS = st.builds(
    Behaviour,
    seed=st.integers(0, 2**32),
    declined=st.sampled_from([{}, {PaymentFailureReason.CARD_DECLINED: 0.3}]),
    refused=st.sampled_from([0.0, 0.3]),
    lost_answers=st.sampled_from([0.0, 0.3]),
    late_answers=st.sampled_from([0.0, 0.3]),
    latency=st.just((20, 200)),
    # Away for so long that the checkouts give up; and back before what they undo is given up, too.
    outage=st.sampled_from([0, 0, 15_000, 400_000]),
    outage_every=st.just(900_000),
)


def cart(number: int, buyer: Buyer) -> CartCheckedOut:
    pieces = {product: count for product, count in zip(PRODUCTS, buyer.pieces, strict=True) if count}
    return CartCheckedOut(
        eventId=id_of(2_000 + number),
        occurredAt=AT,
        cartId=id_of(1_000 + number),
        customerId=id_of(3_000 + number),
        items=tuple(CartLine(productId=each, quantity=count, unitPrice=PRICE) for each, count in pieces.items()),
        total=PRICE * sum(pieces.values()),
        currency="EUR",
    )


def lived(
    buyers: Sequence[Buyer], behaviour: Behaviour, pieces: int, *, calm: int = 0, **faults: Any
) -> tuple[Twin, Sequence[Movement]]:
    """All carts at once; there are so many pieces of each product."""
    with closing(Ledger()) as ledger:
        gateway = SimulatedGateway(ledger, behaviour, answer=Slowly, clock=lambda: twin.now)
        kinds = get_args(Effect)
        twin = Twin(
            SERVICES,
            partitions=2,
            perform=dict.fromkeys(kinds, gateway.perform),
            policies=dict.fromkeys(kinds, POLICY),
            **faults,
        )
        # The gateway's outages begin at AT.
        twin.advance(AT - calm)
        for product in PRODUCTS:
            twin.publish(AddInventory(productId=product, quantity=pieces, warehouseId=id_of(9), timestamp=AT))
        twin.run(until=twin.now)
        for number, buyer in enumerate(buyers):
            for _ in range(1 + buyer.twice):
                twin.publish(cart(number, buyer))
        start = twin.now
        for number, buyer in sorted(enumerate(buyers), key=lambda each: each[1].cancels_after or 0):
            if buyer.cancels_after is not None:
                twin.run(until=start + buyer.cancels_after)
                order_id = checkout_id(id_of(1_000 + number), 1)
                twin.publish(CancelOrder(orderId=order_id, reason=CancellationReason.CUSTOMER_REQUESTED))
        twin.run(until=twin.now + ENOUGH)
        return twin, ledger.movements()


def ends(twin: Twin) -> Mapping[str, Message]:
    """Of each checkout, the one end that it came to."""
    said = defaultdict(set)
    for message in twin.messages(CHECKOUT_EVENTS):
        if isinstance(message, CheckoutCompleted | CheckoutFailed):
            said[message.checkoutId].add(message)
    assert all(len(each) == 1 for each in said.values())
    return {checkout_id: end for checkout_id, (end,) in said.items()}


def check(buyers: Sequence[Buyer], twin: Twin, movements: Sequence[Movement], pieces: int) -> Mapping[str, Message]:
    assert twin.dead_letters == []
    started = {each.checkoutId: each for each in twin.messages(CHECKOUT_COMMANDS) if isinstance(each, StartCheckout)}
    ended = ends(twin)
    assert started.keys() == ended.keys() == {checkout_id(id_of(1_000 + each), 1) for each in range(len(buyers))}
    assert {each.live for each in twin.states(CHECKOUT).values()} == {None}

    balances, held, sold = Counter[str](), Counter[str](), Counter[str]()
    for movement in movements:
        match movement.outcome:
            case Authorized():
                held[movement.payment_id] += 1
            case Captured():
                held[movement.payment_id] -= 1
                balances[movement.payment_id] += movement.amount
            case Voided():
                held[movement.payment_id] -= 1
            case Refunded():
                balances[movement.payment_id] -= movement.amount
            case _:
                pass
    assert not any(held.values())

    reservations: Mapping[str, Reservation] = twin.states(INVENTORY)
    order_states, sagas = twin.states(ORDERS), twin.states(ORCHESTRATOR)
    for each, start in started.items():
        order = order_states.get(each)
        completed = isinstance(ended[each], CheckoutCompleted)
        bought = completed and order is not None and order.status is not Ordered.CANCELLED
        assert sagas[each].phase is (Phase.COMPLETED if completed else Phase.FAILED)
        assert balances[each] == (start.total if bought else 0)
        if bought:
            assert order is not None
            assert order.status is Ordered.CONFIRMED
            assert reservations[each].status is Held.TAKEN
            sold.update(reservations[each].held)
        else:
            assert order is None or order.status in {Ordered.CANCELLED, Ordered.REJECTED}
            assert reservations[each].status in {Held.REFUSED, Held.RELEASED}
    for product, state in twin.states(STOCK).items():
        assert (state.available, state.held) == (pieces - sold[product], 0)
    return ended


@settings(max_examples=20)
@given(
    buyers=BUYERS,
    behaviour=BEHAVIOURS,
    pieces=st.integers(2, 20),
    calm=st.sampled_from([0, 100, 250, 400]),
    seed=st.integers(0, 2**32),
    one_in=st.integers(15, 60),
)
def test_every_cart_comes_to_one_end_whatever_befalls_workers_and_gateway(
    buyers: Sequence[Buyer], behaviour: Behaviour, pieces: int, calm: int, seed: int, one_in: int
) -> None:
    twin, movements = lived(
        buyers,
        behaviour,
        pieces,
        calm=calm,
        seed=seed,
        crash=by_chance(seed, 10 * one_in),
        upheaval=by_chance(seed + 1, one_in),
        compaction=by_chance(seed + 2, one_in),
    )
    check(buyers, twin, movements, pieces)


def test_every_cart_is_bought_on_a_calm_day() -> None:
    buyers = [Buyer((1, 0, 2), twice=True)] * 20
    twin, movements = lived(buyers, CALM, 1_000, crash=never)
    ended = check(buyers, twin, movements, 1_000)
    assert {type(end) for end in ended.values()} == {CheckoutCompleted}


@pytest.mark.parametrize("one_in", [60, 200])
def test_a_hundred_carts_in_a_rough_week_end_in_every_way(one_in: int) -> None:
    buyers = [Buyer((number % 3, 1, 0), cancels_after=400 if number % 10 == 0 else None) for number in range(100)]
    twin, movements = lived(buyers, ROUGH, 80, upheaval=by_chance(1, one_in), compaction=by_chance(2, one_in))
    ended = check(buyers, twin, movements, 80)
    reasons = Counter(end.reason for end in ended.values() if isinstance(end, CheckoutFailed))
    assert len(reasons) >= 3
    assert sum(isinstance(end, CheckoutCompleted) for end in ended.values()) > 40
