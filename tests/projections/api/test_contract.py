"""The document against the service: whatever is sent, the answer is one that /openapi.json speaks of."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from psycopg import Connection
from schemathesis import checks
from schemathesis.core.result import Ok

from projections.api.answers import EXAMPLE_CUSTOMER, EXAMPLE_ID, EXAMPLE_PRODUCT
from tests.projections.api import rows

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]

CHECKED = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
]


@pytest.fixture
def full(connection: Connection) -> None:
    """What the examples in the document speak of."""
    rows.order(connection, EXAMPLE_ID, customer_id=EXAMPLE_CUSTOMER)
    rows.item(connection, EXAMPLE_ID, EXAMPLE_PRODUCT)
    rows.step(connection, 1, "CREATED", "CONFIRMED", EXAMPLE_ID)
    rows.step(connection, 2, "CONFIRMED", "COMPLETED", EXAMPLE_ID)
    rows.stock(connection, EXAMPLE_PRODUCT, on_hand=5)
    rows.reservation(connection, EXAMPLE_ID, 2, EXAMPLE_PRODUCT)
    rows.payment(connection, payment_id=EXAMPLE_ID, order_id=EXAMPLE_ID, captured_at=rows.AT)
    rows.checkout(connection, EXAMPLE_ID, order_id=EXAMPLE_ID, ended_at=rows.AT)
    for model in ("orders", "payments", "inventory", "checkouts"):
        place = {"topic": "carts." + connection.info.dbname + ".events", "partition": 0, "topic_id": "an id"}
        rows.put(connection, f"{model}.progress", **place, next_offset=1_000_000)


@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")  # schemathesis does
def test_no_request_gets_an_answer_that_the_document_does_not_speak_of(
    api: httpx.Client, full: None, pipeline: None
) -> None:
    document = schemathesis.openapi.from_dict(api.get("/openapi.json").json())
    document.config.update(base_url=str(api.base_url))
    operations = [each.ok() for each in document.get_all_operations() if isinstance(each, Ok)]
    assert len(operations) == len(OPERATIONS)
    for operation in operations:
        explore(operation)


OPERATIONS = [
    *("GET /orders", "GET /orders/{orderId}", "GET /orders/{orderId}/history", "GET /orders/{orderId}/events"),
    *("POST /orders/{orderId}/cancel", "POST /checkouts", "GET /checkouts/{checkoutId}"),
    *("GET /inventory", "GET /inventory/{productId}", "GET /stock/{productId}", "GET /payments/{orderId}"),
    *("GET /health", "GET /ready", "GET /positions"),
]


def explore(operation: Any) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=operation.as_strategy())
    def one(case: schemathesis.Case[Any]) -> None:
        if "wait" in (case.query or {}):
            case.query["timeout"] = 0
        case.call_and_validate(checks=CHECKED)

    one()


def test_the_document_lists_every_operation_with_a_summary_and_its_problems(api: httpx.Client) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    found = {f"{method.upper()} {path}": each for path, of in paths.items() for method, each in of.items()}
    assert sorted(found) == sorted(OPERATIONS)
    for each in found.values():
        assert each["summary"]
        assert all("X-Request-Id" in answer["headers"] for answer in each["responses"].values())
        wrong = [answer for status, answer in each["responses"].items() if status >= "400"]
        assert wrong
        assert all(set(answer["content"]) == {"application/problem+json"} for answer in wrong)
