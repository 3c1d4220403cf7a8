"""Every way to be told no, in one shape."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg import Connection
from psycopg.sql import SQL, Identifier
from starlette.responses import Response

from ops.stack import Addresses
from ops.stack.waiting import wait_until
from projections import database
from projections.api import frame
from projections.api.app import Site, create
from projections.api.problems import KINDS, ProblemAnswer
from projections.api.reads import Reads
from tests.projections.api.conftest import Serve
from tests.projections.api.rows import CUSTOMER, ORDER, PRODUCT

CART: dict[str, Any] = {
    "customerId": CUSTOMER,
    "items": [{"productId": PRODUCT, "quantity": 1, "unitPrice": 1}],
    "currency": "EUR",
}
KEY = {"Idempotency-Key": "one"}


def problem(answer: httpx.Response, slug: str) -> ProblemAnswer:
    assert answer.headers["Content-Type"] == "application/problem+json"
    found = ProblemAnswer.model_validate(answer.json())
    [kind] = [each for each in KINDS if each.slug == slug]
    assert (answer.status_code, found.type, found.title, found.status) == (
        kind.status,
        f"urn:orderflow:problem:{slug}",
        kind.title,
        kind.status,
    )
    assert found.instance == f"urn:orderflow:request:{answer.headers['X-Request-Id']}"
    assert found.detail
    return found


@pytest.mark.connected
@pytest.mark.parametrize(
    ("query", "field", "value", "rule"),
    [
        ("", "customerId", "(nothing)", "it must be given"),
        ("customerId=X", "customerId", "'X'", "should match pattern"),
        (f"customerId={CUSTOMER}&limit=101", "limit", "'101'", "less than or equal to 100"),
        (f"customerId={CUSTOMER}&limit=many", "limit", "'many'", "valid integer"),
        (f"customerId={CUSTOMER}&status=PAID", "status", "'PAID'", "should be 'CREATED'"),
        (f"customerId={CUSTOMER}&staus=CREATED", "staus", "'CREATED'", "not permitted"),
        (f"customerId={CUSTOMER}&cursor=rubbish", "cursor", "rubbish", "begin again without one"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_value_and_what_is_right(
    api: httpx.Client, query: str, field: str, value: str, rule: str
) -> None:
    [error] = problem(api.get(f"/orders?{query}"), "invalid").errors
    assert (error.place, error.field, error.value) == ("query", field, value)
    assert rule in error.problem


@pytest.mark.connected
@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"items": []}, "items", "at least 1 item"),
        (
            {"items": [{"productId": PRODUCT, "quantity": 0, "unitPrice": 1}]},
            "items.0.quantity",
            "greater than or equal",
        ),
        ({"items": [{"productId": PRODUCT, "quantity": "1", "unitPrice": 1}]}, "items.0.quantity", "valid integer"),
        ({"items": CART["items"] * 2}, "(all of it)", "with its whole quantity"),
        ({"discount": 2}, "(all of it)", "more than the items come to"),
        ({"items": [{"productId": PRODUCT, "quantity": 2, "unitPrice": 2**63 - 1}]}, "(all of it)", "largest amount"),
        ({"currency": "euro"}, "currency", "should match pattern"),
        ({"coupon": "SPRING10"}, "coupon", "not permitted"),
    ],
)
def test_a_wrong_cart_is_refused_with_what_is_wrong(
    api: httpx.Client, change: dict[str, Any], field: str, rule: str
) -> None:
    [error] = problem(api.post("/checkouts", json=CART | change, headers=KEY), "invalid").errors
    assert (error.place, error.field) == ("body", field)
    assert rule in error.problem


@pytest.mark.connected
def test_a_command_without_an_idempotency_key_is_refused(api: httpx.Client) -> None:
    [error] = problem(api.post("/checkouts", json=CART), "invalid").errors
    assert (error.place, error.field, error.problem) == ("header", "Idempotency-Key", "it must be given")


@pytest.mark.connected
def test_a_reason_that_is_only_for_readers_is_refused(api: httpx.Client) -> None:
    answer = api.post(f"/orders/{ORDER}/cancel", json={"reason": "UNRECOGNIZED"}, headers=KEY)
    [error] = problem(answer, "invalid").errors
    assert "send one of the others" in error.problem


@pytest.mark.connected
def test_what_is_no_json_is_refused_with_the_place_where_it_breaks(api: httpx.Client) -> None:
    answer = api.post("/checkouts", content=b'{"customerId": ', headers=KEY | {"Content-Type": "application/json"})
    assert "character 15" in problem(answer, "malformed").detail


@pytest.mark.connected
def test_a_body_without_end_is_not_read_to_its_end(api: httpx.Client) -> None:
    answer = api.post("/checkouts", content=b" " * (frame.LARGEST_BODY + 1), headers=KEY)
    assert str(frame.LARGEST_BODY) in problem(answer, "too-large").detail


@pytest.mark.connected
def test_a_place_where_nothing_is_says_where_to_look(api: httpx.Client) -> None:
    assert "/openapi.json" in problem(api.get("/nowhere"), "not-found").detail


@pytest.mark.connected
def test_a_method_that_is_not_taken_says_which_is(api: httpx.Client) -> None:
    answer = api.delete(f"/orders/{ORDER}")
    assert answer.headers["Allow"] == "GET"
    assert "takes GET, not DELETE" in problem(answer, "method").detail


@pytest.mark.connected
def test_what_nobody_foresaw_is_told_to_the_log_alone(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(Reads, "all", broken)
    answer = api.get(f"/orders/{ORDER}")
    problem(answer, "unexpected")
    assert "hunter2" not in answer.text
    assert answer.headers["X-Request-Id"] in caplog.text
    assert "hunter2" in caplog.text


@pytest.mark.connected
def test_more_requests_than_connections_wait_their_turn_and_then_are_told_so(
    site: Site, serve: Serve, connection: Connection
) -> None:
    api = serve(create(dataclasses.replace(site, connections=1, wait_seconds=0.3)))
    with connection.transaction():
        connection.execute("LOCK TABLE orders.orders IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(2) as pool:
            holds = pool.submit(api.get, f"/orders/{ORDER}")
            assert wait_until(lambda: _waits_for_the_lock(connection), seconds=20)
            answer = pool.submit(api.get, f"/orders/{ORDER}").result(20)
            problem(answer, "busy")
            assert answer.headers["Retry-After"] == "2"
            # Nor does the one that had the connection wait for ever.
            problem(holds.result(20), "database-away")
    assert wait_until(lambda: api.get(f"/orders/{ORDER}").status_code == 404, seconds=20)


def _waits_for_the_lock(connection: Connection) -> bool:
    return connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is not None


@pytest.mark.connected
def test_a_database_that_is_away_is_told_and_found_again(
    site: Site, serve: Serve, stack: Addresses, unique: str
) -> None:
    api = serve(create(dataclasses.replace(site, wait_seconds=0.5)))
    assert wait_until(lambda: api.get(f"/orders/{ORDER}").status_code == 404, seconds=20)
    with database.opened(stack.postgres) as server:
        server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(unique)))
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [unique])
        answer = api.get(f"/orders/{ORDER}")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert api.get("/health").status_code == 200
        server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(Identifier(unique)))
    assert wait_until(lambda: api.get(f"/orders/{ORDER}").status_code == 404, seconds=60)


@pytest.mark.connected
def test_a_database_without_tables_is_told_as_away(site: Site, serve: Serve, connection: Connection) -> None:
    connection.execute("DROP SCHEMA orders CASCADE")
    answer = serve(create(site)).get(f"/orders/{ORDER}")
    assert "not set up" in problem(answer, "database-away").detail


def test_half_an_answer_is_broken_off_instead_of_being_mended(serve: Serve) -> None:
    app = FastAPI()
    frame.install(app)

    @app.get("/")
    async def half() -> Response:
        return _Half()

    with pytest.raises(httpx.RemoteProtocolError):
        serve(app).get("/")


class _Half(Response):
    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("broken")
