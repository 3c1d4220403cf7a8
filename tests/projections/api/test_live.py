"""From a POST to the rows that come of it: services, projectors and API at once."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from ops.stack import Addresses
from ops.stack.waiting import wait_until
from projections.api.app import Site, create
from projections.models import MODELS
from schemas.identity import derived_id
from streams.confluent import ConfluentRegistry
from tests.projections.api.conftest import Serve
from tests.projections.api.rows import CUSTOMER
from tests.projections.ground import Ground
from tests.sagas.shop import stocked
from tests.sagas.town import Town
from tests.streams.kafka.engines import running

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(400)]

CUP = derived_id("test", "cup")
SECONDS = 120
CART = {"customerId": CUSTOMER, "items": [{"productId": CUP, "quantity": 2, "unitPrice": 1_999}], "currency": "EUR"}
WAITING = httpx.QueryParams(wait="terminal", timeout=30)


@pytest.fixture
def live(stack: Addresses, site: Site, serve: Serve, tmp_path: Path) -> Iterator[httpx.Client]:
    """Everything at work, and ten cups on the shelf."""
    with closing(Town(stack, site.environment, tmp_path, workers=1, gateway="calm")) as town:
        town.open()
        with closing(ConfluentRegistry(site.registry)) as registry:
            ground = Ground(stack.kafka, site.environment, site.dsn, registry)
            ground.make(*MODELS)
            with running(*map(ground.engine, MODELS)):
                town.publish(*stocked({CUP: 10}))
                api = serve(create(site))
                assert wait_until(lambda: level(api) == (10, 0), seconds=SECONDS)
                yield api


def level(api: httpx.Client) -> tuple[int, int] | None:
    answer = api.get(f"/stock/{CUP}")
    return (answer.json()["available"], answer.json()["reserved"]) if answer.status_code == 200 else None


def test_a_cart_is_bought_seen_called_off_and_paid_back_over_http(live: httpx.Client) -> None:
    first = live.post("/checkouts", json=CART, headers={"Idempotency-Key": "buy"})
    assert first.status_code == 202
    order = first.json()["checkoutId"]
    ended = live.get(f"/checkouts/{order}", params=WAITING)
    assert (ended.status_code, ended.json()["status"]) == (200, "COMPLETED")
    again = live.post("/checkouts", json=CART, headers={"Idempotency-Key": "buy"}, params=WAITING)
    assert (again.status_code, again.json()["orderId"]) == (200, order)

    assert wait_until(lambda: live.get(f"/orders/{order}").json().get("status") == "CONFIRMED", seconds=SECONDS)
    [mine] = live.get("/orders", params={"customerId": CUSTOMER}).json()["orders"]
    assert (mine["orderId"], mine["total"]) == (order, 3_998)
    assert live.get(f"/orders/{order}").json()["items"] == CART["items"]
    assert wait_until(lambda: paid(live, order) == "completed", seconds=SECONDS)
    assert wait_until(lambda: level(live) == (8, 0), seconds=SECONDS)
    assert live.get("/ready").status_code == 200

    told = []
    with live.stream("GET", f"/orders/{order}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                told.append(json.loads(line.removeprefix("data: "))["status"])
            if told == ["CONFIRMED"]:
                wish, key = {"reason": "CUSTOMER_REQUESTED"}, {"Idempotency-Key": "cancel"}
                assert live.post(f"/orders/{order}/cancel", json=wish, headers=key).status_code == 202
                told.append("called off")
    assert told == ["CONFIRMED", "called off", "CANCELLED"]
    assert wait_until(lambda: paid(live, order) == "refunded", seconds=SECONDS)
    assert wait_until(lambda: level(live) == (10, 0), seconds=SECONDS)


def paid(api: httpx.Client, order: str) -> str | None:
    answer = api.get(f"/payments/{order}")
    return str(answer.json()["paymentStatus"]) if answer.status_code == 200 else None
