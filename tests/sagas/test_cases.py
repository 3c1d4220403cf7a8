"""Every way of one checkout on real Kafka, all of them at once; and the books afterwards."""

import pytest

from tests.sagas.cases import CASES, Case
from tests.sagas.shop import Shop

pytestmark = [pytest.mark.connected]

each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@each_case
def test_a_checkout_ends_as_it_must(shop: Shop, case: Case) -> None:
    (end,) = shop.ends(case.cart_id)
    assert type(end) is case.end
    # Who hears of a cancelled order at the same time undoes in any order.
    assert {name: _unordered(getattr(end, name)) for name in case.says} == {
        name: _unordered(value) for name, value in case.says.items()
    }


@each_case
def test_each_participant_keeps_what_came_of_it(shop: Shop, case: Case) -> None:
    for service in ("inventory", "payments", "orders"):
        shop.settled(service, case.order_id, case.stays.get(service))


def _unordered(value: object) -> object:
    return frozenset(value) if isinstance(value, tuple) else value
