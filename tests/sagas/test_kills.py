"""Whole workers die in the middle of many sagas: all sagas end, and stock and money add up."""

from contextlib import closing
from pathlib import Path

import pytest

from ops.stack import Addresses
from schemas.checkout import CheckoutCompleted, CheckoutFailed
from tests.sagas.cases import CUP, POT, RARE, cart
from tests.sagas.town import Town

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(420)]

ITEMS = (((CUP, 2), (POT, 1)), ((CUP, 1),), ((POT, 3), (RARE, 1)), ((RARE, 2),))


@pytest.mark.parametrize(
    ("workers", "sagas", "kills"),
    [(2, 150, 1), pytest.param(3, 2_000, 3, marks=pytest.mark.proof)],
)
def test_workers_that_are_killed_lose_no_saga_no_piece_and_no_cent(
    stack: Addresses, unique: str, tmp_path: Path, workers: int, sagas: int, kills: int
) -> None:
    # Some come too late for what is rare.
    stock = {CUP: 4 * sagas, POT: 4 * sagas, RARE: sagas // 4}
    town = Town(stack, unique, tmp_path, workers=workers, gateway="rough")
    with closing(town):
        town.open()
        town.stock(stock)
        town.publish(*(cart(str(number), ITEMS[number % len(ITEMS)]) for number in range(sagas)))
        for number, worker in enumerate(town.workers[:kills], start=1):
            town.until_ended(number * sagas // (2 * kills))
            worker.kill()
            worker.start()
        town.until_ended(sagas)
        ends = town.witness.ends()
        assert len({end.cartId for end in ends}) == len(ends) == sagas
        assert {type(end) for end in ends} == {CheckoutCompleted, CheckoutFailed}
        assert town.balance(stock) == []
        assert town.witness.dead_letters() == []
