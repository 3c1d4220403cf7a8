"""One shop for all tests: its services start once, and the carts of all cases are checked out at the same time."""

from collections.abc import Iterator

import pytest

from ops.reading import Reader
from ops.stack import Addresses
from schemas.inventory import InventoryAdjusted
from tests.sagas.cases import CASES, PRICES, STOCK, Fate
from tests.sagas.gateway import Fates, ToldGateway
from tests.sagas.shop import Shop, priced, stocked
from tests.sagas.witness import BY_NAME
from tests.streams.kafka.engines import Ground, running


@pytest.fixture(scope="session")
def shop(stack: Addresses, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """With all of the cases behind it."""
    ground = Ground(stack.kafka, f"sagas-{worker_id}")
    ground.make_topics(*BY_NAME.values())
    fates = Fates(
        declines={case.order_id: case.declined for case in CASES if case.declined},
        refused_captures=_whose("refused capture"),
        lost=_whose("lost answer"),
        too_late=_whose("late answer"),
    )
    gateway = ToldGateway(tmp_path_factory.mktemp("gateway") / "ledger.sqlite", fates)
    with Reader(ground.client, ground.codec) as reader:
        shop = Shop(ground, reader, gateway)
        shop.publish(*priced(PRICES), *stocked(STOCK), *(message for case in CASES for message in case.before))
        with running(*shop.engines.values()):
            for product in STOCK:
                shop.hears(InventoryAdjusted, product)
            # What is said before on another topic is before only once it was heard.
            for case in CASES:
                for kind in case.heard:
                    shop.hears(kind, case.order_id)
            shop.publish(*(case.cart for case in CASES))
            carts = {case.cart_id for case in CASES}
            shop.until(lambda: carts <= {end.cartId for end in shop.ends()})
            yield shop
    gateway.ledger.close()


def _whose(fate: Fate) -> frozenset[str]:
    return frozenset(case.order_id for case in CASES if case.fate == fate)
