"""The queries of docs/analytics.md, put to a morning in the shop, whose events are counted by hand beside it."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pytest

from ops.export.manifest import taken
from ops.export.run import export
from ops.reading import unseen
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutStarted
from schemas.inventory import InventoryUnavailable, OutOfStock
from schemas.message import Message
from schemas.payments import PaymentCaptured, RefundProcessed
from schemas.topics import TOPICS
from streams.memory.twin import Twin
from tests.ops.export.tape import Tape
from tests.projections.folds.shop import morning

PAGE = (Path(__file__).parents[3] / "docs" / "analytics.md").read_text("utf-8")
ASKED = {
    each["name"]: each["query"]
    for each in re.finditer(r"^<!-- (?P<name>[^\n]+) -->\n```sql\n(?P<query>.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
(VIEWS,) = re.findall(r"^```sql\n(CREATE .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
M = TypeVar("M", bound=Message)


@pytest.fixture(scope="module")
def twin() -> Twin:
    return morning(2, 120)


@pytest.fixture(scope="module")
def lake(twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of it exported first, in small rounds; every record is there twice, as after a crash of its producer."""
    root, tape = tmp_path_factory.mktemp("analytics"), Tape()
    names = {topic.name("test"): f"{topic.domain}.{topic.channel}" for topic in TOPICS if topic.channel == "events"}
    for topic in TOPICS:
        if topic.channel == "events":
            for key, at, message, _ in [*twin.records(topic)] * 2:
                if isinstance(message, Message):
                    tape.put(topic, key, message, at)
    there = {name: called for name, called in names.items() if name in tape.topics()}
    with taken(root / "lake") as shelf:
        export(tape, shelf, there, unseen, records_a_round=700)
    return root


@pytest.fixture
def ask(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.chdir(lake)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(VIEWS)
        yield lambda name: connection.execute(ASKED[name]).fetchall()


def told(twin: Twin, kind: type[M]) -> list[M]:
    """Each message once."""
    topic = kind.contract.topic
    assert topic is not None
    found = {each.meta.messageId: each for each in twin.messages(topic) if isinstance(each, kind) and each.meta}
    return [*found.values()]


def day(at: int) -> date:
    return datetime.fromtimestamp(at / 1_000, UTC).date()


def test_revenue_per_day(ask: Any, twin: Twin) -> None:
    revenue, payments, refunds = Counter[tuple[date, str]](), Counter[Any](), Counter[Any]()
    for captured in told(twin, PaymentCaptured):
        revenue[day(captured.capturedAt), captured.currency] += captured.amount
        payments[day(captured.capturedAt), captured.currency] += 1
    for refunded in told(twin, RefundProcessed):
        revenue[day(refunded.processedAt), refunded.currency] -= refunded.amount
        refunds[day(refunded.processedAt), refunded.currency] += 1
    assert refunds
    assert ask("revenue per day") == [(*key, revenue[key], payments[key], refunds[key]) for key in sorted(revenue)]


def test_failure_reasons(ask: Any, twin: Twin) -> None:
    failed = Counter((each.step.value, each.reason.value) for each in told(twin, CheckoutFailed))
    started = len(told(twin, CheckoutStarted))
    answered = ask("failure reasons")
    assert {(step, reason): count for step, reason, count, _ in answered} == failed
    assert len(failed) > 1
    assert all(float(percent) == round(100 * count / started, 1) for _, _, count, percent in answered)
    assert [count for _, _, count, _ in answered] == sorted(failed.values(), reverse=True)


def test_checkout_time(ask: Any, twin: Twin) -> None:
    started = {each.checkoutId: each.startedAt for each in told(twin, CheckoutStarted)}
    waited = sorted(each.completedAt - started[each.checkoutId] for each in told(twin, CheckoutCompleted))
    ((_, completed, p50, p95),) = ask("checkout time")
    assert completed == len(waited) > 20
    assert p95 > p50 > 0
    assert sum(each <= p95 for each in waited) >= 0.95 * completed > sum(each < p95 for each in waited)
    assert sum(each <= p50 for each in waited) >= 0.5 * completed > sum(each < p50 for each in waited)


def test_stock_outs(ask: Any, twin: Twin) -> None:
    times = Counter(each.product_id for each in told(twin, OutOfStock))
    turned_away = Counter(
        short.productId for each in told(twin, InventoryUnavailable) for short in each.unavailableItems
    )
    assert turned_away
    answered = ask("stock-outs")
    assert {product: (count, customers) for product, count, _, customers in answered} == {
        product: (times[product], turned_away[product]) for product in times | turned_away
    }


def test_every_query_of_the_page_is_asked_here() -> None:
    assert ASKED.keys() == {"revenue per day", "failure reasons", "checkout time", "stock-outs"}
    assert PAGE.count("```sql") == len(ASKED) + 1
