"""Customers from a seed: the same again, alone or among others, and of every kind."""

from collections import Counter
from dataclasses import replace

import pytest

from ops.load import Kind, Load, Mix
from schemas.inventory import AddInventory
from schemas.orders import CancelOrder
from schemas.shopping import CartCheckedOut
from streams.codec import Codec
from streams.testing.registry import MemoryRegistry

LOAD = Load(seed=1, count=1_000, begins_at=1_772_443_800_000, millis=10_000)


@pytest.fixture(scope="module")
def kinds() -> Counter[Kind]:
    return Counter(shopper.kind for shopper in LOAD.shoppers())


def test_a_customer_does_the_same_alone_as_among_the_others() -> None:
    everybody = list(LOAD.shoppers())
    assert [LOAD.shopper(number) for number in (5, 999, 3)] == [everybody[number] for number in (5, 999, 3)]
    assert replace(LOAD, seed=2).shopper(5) != everybody[5]


def test_all_kinds_come_about_as_often_as_the_mix_says(kinds: Counter[Kind]) -> None:
    mix = LOAD.mix
    for kind, percent in {Kind.SHOPPED: mix.shopped, Kind.PLACED: mix.placed, Kind.MISCOUNTED: mix.miscounted}.items():
        assert kinds[kind] == pytest.approx(10 * percent, rel=0.5)
    assert kinds.keys() == set(Kind)


def test_nobody_does_what_the_mix_leaves_out() -> None:
    calm = Mix(shopped=0, placed=0, miscounted=0, empty=0, cancelled=0, duplicated=0, again=0, delivered=0, poison=0)
    for shopper in replace(LOAD, mix=calm, count=100).shoppers():
        assert [type(sent.message) for sent in shopper.sent] == [CartCheckedOut]


def test_all_that_they_publish_travels_and_has_an_id_and_an_order() -> None:
    codec = Codec(MemoryRegistry(), "load")
    shop = [*LOAD.shop(), LOAD.stocktake()]
    ids = [message.meta.messageId for message in shop if message.meta]
    assert len(set(ids)) == len(shop)
    for shopper in LOAD.shoppers():
        assert [sent.after for sent in shopper.sent] == sorted(sent.after for sent in shopper.sent)
        assert all(sent.message.meta for sent in shopper.sent)
        shop += [sent.message for sent in shopper.sent]
    for message in shop:
        assert codec.decode(codec.encode(message)) == message


def test_who_changes_their_mind_cancels_their_own_order() -> None:
    for shopper in LOAD.shoppers():
        cancelled = {sent.message.orderId for sent in shopper.sent if isinstance(sent.message, CancelOrder)}
        assert cancelled <= {shopper.checkout_id}


def test_what_can_not_be_right_is_marked() -> None:
    sent = [sent for shopper in LOAD.shoppers() for sent in shopper.sent]
    wrong = [each for each in sent if isinstance(each.message, AddInventory) and each.message.quantity < 1]
    assert wrong == [each for each in sent if each.poison] != []
