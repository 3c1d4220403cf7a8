"""`orderflow checkout` and `orderflow trace` as a person runs them, beside a worker with all services."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ops.stack import Addresses
from ops.stack.waiting import wait_until
from schemas.identity import derived_id
from schemas.orders import OrderStatus
from tests.sagas.cases import PRICES, RARE
from tests.sagas.town import Town

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(180)]

SECONDS = 90


@pytest.fixture(scope="module")
def town(stack: Addresses, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Nothing is for sale in it."""
    directory = tmp_path_factory.mktemp("town")
    with closing(Town(stack, f"town-{worker_id}", directory, workers=1, gateway="calm")) as town:
        town.open()
        yield town


def orderflow(town: Town, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("orderflow")), *arguments]
    return subprocess.run(
        command, env=os.environ | town.settings, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_one_word_buys_something_whose_story_can_be_read_and_a_shop_can_sell_it_too(town: Town) -> None:
    ran = orderflow(town, "checkout")
    assert ran.returncode == 0, ran
    lines = ran.stdout.splitlines()
    assert [line.split()[1] for line in lines[:1]] == ["CartCheckedOut"]
    assert "checkout: running -> completed" in lines[-2]
    assert lines[-1].startswith("order ")
    assert lines[-1].endswith(": 19.99 EUR")
    order_id = lines[-1].split()[1].rstrip(":")

    def state_is_told() -> bool:
        state = town.state_of(order_id)
        return state is not None and (state.status, state.sequence) == (OrderStatus.CONFIRMED, 1)

    assert wait_until(state_is_told, seconds=SECONDS)

    read = orderflow(town, "trace", order_id, "--json")
    assert read.returncode == 0, read
    story = json.loads(read.stdout)
    assert [line["number"] for line in story] == list(range(1, len(story) + 1))
    assert {"CartCheckedOut", "HoldStock", "PaymentCaptured", "CheckoutCompleted"} <= {
        line["message"] for line in story
    }

    again = orderflow(town, "checkout", "--shop", "--json")
    assert again.returncode == 0, again
    told = [json.loads(line) for line in again.stdout.splitlines()]
    assert [line["message"] for line in told[:-1]][:2] == ["AddItemToCart", "CheckoutCart"]
    assert told[-1]["total"] == 1_999

    shown = orderflow(town, "trace", order_id)
    assert shown.returncode == 0, shown
    assert "order: created -> confirmed" in shown.stdout


def test_the_same_cart_again_is_the_next_attempt_once_it_has_ended(town: Town) -> None:
    cart_id = derived_id("bought twice")
    first = orderflow(town, "checkout", "--cart", cart_id)
    again = orderflow(town, "checkout", "--cart", cart_id)
    assert (first.returncode, again.returncode) == (0, 1), (first, again)
    assert again.stderr == (
        f"orderflow: the checkout of cart {cart_id} was rejected, DUPLICATE: this cart was bought already\n"
    )


def test_what_can_not_be_had_says_so_in_one_line(town: Town) -> None:
    ran = orderflow(town, "checkout", "--item", f"{RARE}:3:{PRICES[RARE]}", "--json")
    assert ran.returncode == 1, ran
    assert ran.stderr.endswith(
        f" failed at RESERVE_INVENTORY, INVENTORY_UNAVAILABLE: product {RARE}: 3 asked for, 0 available\n"
    )
    assert json.loads(ran.stdout.splitlines()[-1])["message"] == "CheckoutFailed"


def test_an_order_that_nobody_heard_of_has_no_story(town: Town) -> None:
    ran = orderflow(town, "trace", RARE)
    assert (ran.returncode, ran.stdout) == (1, ""), ran
    assert ran.stderr.startswith(f"orderflow: nothing was ever said of order {RARE} in ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("--item shoes", "--item shoes: say PRODUCT[:PIECES[:PRICE]], such as "),
        (f"--item {RARE}", f"--item {RARE}: the product is not on the price list, so say a price: {RARE}:1:1999"),
        ("--code SPRING10", "orderflow checkout: Invalid value for --code: a promotion is worked out by the cart API"),
    ],
)
def test_a_wish_that_makes_no_sense_is_corrected(town: Town, arguments: str, line: str) -> None:
    ran = orderflow(town, "checkout", *arguments.split())
    assert (ran.returncode, ran.stdout) == (2, ""), ran
    assert line in ran.stderr


def test_where_no_worker_runs_it_says_how_to_start_one_and_where_the_checkout_stands(
    town: Town, stack: Addresses, unique: str, tmp_path: Path
) -> None:
    with closing(Town(stack, unique, tmp_path, workers=0, gateway="calm")) as ghost_town:
        ran = orderflow(ghost_town, "checkout", "--item", f"{RARE}:1:1", "--timeout", "7")
    assert ran.returncode == 3, ran
    silence, standing = ran.stderr.splitlines()
    assert silence == (
        f"nobody has answered for 5 s; start a worker: ORDERFLOW_ENVIRONMENT={unique} orderflow worker --all"
    )
    assert standing.endswith(
        "has not ended within 7 s: nobody has taken it up; is a worker running? (orderflow worker --all)"
    )


def test_an_environment_without_topics_is_told_how_to_get_them(town: Town) -> None:
    ran = orderflow(town, "checkout", "--env", "nowhere")
    assert ran.returncode == 1, ran
    assert "run: orderflow topics sync --env nowhere" in ran.stderr
