"""What services said on a morning with crashes and repeats, projected, and held against an independent fold of it."""

from collections.abc import Iterator

import pytest
from psycopg import Connection

from ops.reading import Reader, unseen
from ops.stack import Addresses
from ops.verification import opening
from projections.api.app import Site, create
from projections.folds.catalogue import MODELS as FOLDS
from projections.folds.orders import Order
from projections.models import MODELS, orders
from projections.models.model import ReadModel
from projections.verify import verify
from tests.projections.api.conftest import serving
from tests.projections.folds.shop import folded
from tests.projections.ground import Ground
from tests.projections.ledger import Ledger
from tests.streams.kafka.engines import running, until

pytestmark = pytest.mark.connected


#: Of an answer, where in the fold's object it stands.
SHOWN = {
    "customerId": "customer_id",
    "status": "status",
    "total": "total",
    "currency": "currency",
    "createdAt": "created_at",
    "confirmedAt": "confirmed_at",
    "cancelledAt": "cancelled_at",
    "completedAt": "completed_at",
    "confirmationNumber": "confirmation_number",
    "cancellationReason": "cancellation_reason",
    "sequence": "sequence",
    "version": "version",
}


@pytest.fixture
def ground(stack: Addresses, unique: str, dsn: str) -> Ground:
    return Ground(stack.kafka, unique, dsn)


@pytest.fixture
def reader(ground: Ground) -> Iterator[Reader]:
    with Reader(ground.broker.client, ground.broker.codec) as reader:
        yield reader


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_row_is_what_an_independent_fold_makes_of_the_log(
    ground: Ground, reader: Reader, connection: Connection, model: ReadModel
) -> None:
    ground.make(model)
    log = Ledger(ground.broker, reader, connection, FOLDS[model.name])
    log.live()
    ends = sum(end for _, end in reader.bounds(log.parts).values())
    engine = ground.engine(model)
    with running(engine):
        until(lambda: ground.applied(model) == ends, engine)
    opened = opening(reader, model.name, ground.environment, unseen)
    verdict = verify(connection, FOLDS[model.name], opened)
    assert (verdict.rows > 50, verdict.differing) == (True, 0), verdict.differences


def test_the_api_answers_a_hundred_orders_as_the_fold_has_them(
    ground: Ground, reader: Reader, connection: Connection, stack: Addresses
) -> None:
    ground.make(orders.MODEL)
    log = Ledger(ground.broker, reader, connection, FOLDS["orders"])
    for seed in range(3):
        log.live(seed)
    ends = sum(end for _, end in reader.bounds(log.parts).values())
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: ground.applied(orders.MODEL) == ends, engine)
    known: list[Order] = [*folded(FOLDS["orders"], iter(log.said())).values()]
    assert len(known) >= 100
    site = Site(
        environment=ground.environment,
        dsn=ground.dsn,
        kafka={"bootstrap.servers": stack.kafka},
        registry={"url": stack.registry},
        asks_for_keys=False,
    )
    with serving(create(site)) as api:
        # Their ids are hashes, so these are any.
        for order in sorted(known, key=lambda each: each.order_id)[:100]:
            answer = api.get(f"/orders/{order.order_id}").raise_for_status().json()
            items = [(each["productId"], each["quantity"], each["unitPrice"]) for each in answer["items"]]
            by_line = sorted(order.items.items(), key=lambda each: (each[1].line is None, each[1].line, each[0]))
            assert items == [(product, each.quantity, each.unit_price) for product, each in by_line if each.quantity]
            assert {name: answer[name] for name in SHOWN} == {name: getattr(order, of) for name, of in SHOWN.items()}
