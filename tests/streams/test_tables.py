from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import derived_id
from schemas.orders import ConfirmOrder, OrderConfirmed
from schemas.shopping import CalculateDiscount, ProductListed, PromotionOffered
from schemas.topics import ORDERS_EVENTS, PRODUCTS_STATE, PROMOTIONS_STATE
from streams.decision import Decision
from streams.memory.twin import Twin, by_chance
from streams.service import Service
from streams.tables import Latest, UndeclaredTableError
from streams.testing.purity import guarded
from tests.streams.pricing import CUP, POT, UNLISTED, Priced, decide, listed, pricing

ORDER = derived_id("order")


def order(product: str) -> ConfirmOrder:
    return ConfirmOrder(orderId=ORDER, inventoryReservationId=product)


def test_a_table_has_the_latest_of_each_key_until_a_tombstone() -> None:
    latest = Latest([ProductListed])
    assert latest.get(ProductListed, CUP) is None
    latest.learn(PRODUCTS_STATE, CUP, listed(CUP, 1))
    latest.learn(PRODUCTS_STATE, CUP, listed(CUP, 2))
    latest.learn(PRODUCTS_STATE, POT, listed(POT, 3))
    assert latest.get(ProductListed, CUP) == listed(CUP, 2)
    assert latest.sizes == {PRODUCTS_STATE: 2}
    latest.learn(PRODUCTS_STATE, CUP, None)
    latest.learn(PRODUCTS_STATE, CUP, None)
    assert latest.get(ProductListed, CUP) is None
    assert latest.get(ProductListed, POT) == listed(POT, 3)


def test_a_record_of_another_type_takes_the_place_of_the_last_one_as_compaction_would_have_it() -> None:
    latest = Latest([ProductListed, PromotionOffered])
    latest.learn(PRODUCTS_STATE, CUP, listed(CUP, 1))
    latest.learn(PRODUCTS_STATE, CUP, order(CUP))
    assert latest.sizes == {PRODUCTS_STATE: 0, PROMOTIONS_STATE: 0}


def test_a_decider_that_asks_for_what_its_service_does_not_read_is_told_so() -> None:
    with pytest.raises(UndeclaredTableError, match="doesn't read PromotionOffered: name it in the `reads`"):
        Latest([ProductListed]).get(PromotionOffered, "SPRING")


def test_what_is_listed_is_seen_by_the_next_decision_and_what_is_taken_back_no_more() -> None:
    service = guarded(pricing)
    twin = Twin([service], partitions=2)

    def ask() -> None:
        twin.publish(order(CUP))
        twin.publish(order(POT))
        twin.run()

    twin.publish(listed(CUP, 10))
    ask()
    twin.publish(listed(CUP, 11))
    ask()
    twin.retract(ProductListed, CUP)
    ask()
    twin.publish(listed(CUP, 12))
    ask()
    prices = (10, UNLISTED, 11, UNLISTED, UNLISTED, UNLISTED, 12, UNLISTED)
    assert twin.states(service) == {ORDER: Priced(prices)}
    assert twin.dead_letters == []


def test_only_what_travels_on_a_topic_can_be_taken_back() -> None:
    with pytest.raises(ValueError, match="CalculateDiscount has no topic"):
        Twin([pricing]).retract(CalculateDiscount, CUP)


def raise_the_price(state: Priced | None, message: ConfirmOrder, at: int) -> Decision[Priced]:
    prices = (*(state or Priced()).prices, 1)
    return Decision(Priced(prices), sends=(listed(CUP, sum(prices)),))


lister = Service(name="lister", state=Priced, decide=raise_the_price, sends=(ProductListed,))


@given(seed=st.integers(0, 2**16))
def test_a_decision_stands_though_it_is_made_while_the_list_moves_on(seed: int) -> None:
    """The process dies at any boundary and reads again what it had read, with another price in the list by then."""
    crash, upheaval = by_chance(seed, one_in=6), by_chance(seed + 1, one_in=12)
    twin = Twin([lister, pricing], seed=seed, partitions=1, crash=crash, upheaval=upheaval)
    for _ in range(6):
        twin.publish(order(CUP))
    twin.run()
    said = defaultdict(set)
    for each in twin.messages(ORDERS_EVENTS):
        assert isinstance(each, OrderConfirmed)
        assert each.meta is not None
        said[each.meta.messageId].add(each.total)
    prices = twin.states(pricing)[ORDER].prices
    assert len(prices) == 6
    assert sorted(said.values(), key=min) == sorted(({price} for price in prices), key=min)


def test_a_decider_is_called_with_its_tables_wherever_it_runs() -> None:
    tables = Latest([ProductListed])
    tables.learn(PRODUCTS_STATE, CUP, listed(CUP, 7))
    bound = pricing.reading(tables)
    assert bound.decide(None, order(CUP), 1) == decide(None, order(CUP), 1, tables)
