"""Topics that are replayed: where they were applied nothing changes, and an empty environment gets every row."""

from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from ops.reading import Reader, unseen
from ops.replay import asking
from ops.replay.asking import Targets, Wish
from ops.replay.run import Places, Replay
from ops.stack import Addresses
from projections import database
from projections.folds.catalogue import MODELS as FOLDS
from projections.models import MODELS, inventory, orders
from projections.models.model import ReadModel
from tests.projections.ground import Ground
from tests.projections.ledger import Ledger
from tests.projections.test_rebuild import contents
from tests.streams.kafka.engines import running, until

pytestmark = [pytest.mark.connected, pytest.mark.slow]


@pytest.fixture
def ground(stack: Addresses, unique: str, dsn: str) -> Ground:
    return Ground(stack.kafka, unique, dsn)


@pytest.fixture
def empty(stack: Addresses, ground: Ground) -> Iterator[Ground]:
    """Another environment, with a database of its own."""
    environment = f"{ground.environment}-b"
    address = make_conninfo(stack.postgres, dbname=environment)
    database.create(address)
    yield Ground(stack.kafka, environment, address, ground.registry)
    with database.opened(stack.postgres) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(environment)))


@pytest.fixture
def places(ground: Ground) -> Iterator[Places]:
    with Reader(ground.broker.client, ground.broker.codec) as reader:
        yield Places(ground.broker.client, ground.environment, reader, ground.broker.codec)


def replayed(places: Places, topic: str, to: str | None) -> int:
    run, plan, left = asking.resolved(places, Wish(topic), Targets(topic=to), None)
    return Replay(places, run, plan, rate=None, left=left).go(unseen).copied


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model, id=model.name, marks=() if model in (orders.MODEL, inventory.MODEL) else pytest.mark.proof)
        for model in MODELS
    ],
)
def test_a_replay_changes_no_row_where_it_was_applied_and_makes_every_row_where_there_is_none(
    ground: Ground, empty: Ground, places: Places, model: ReadModel
) -> None:
    for each in (ground, empty):
        each.make(model)
    with database.opened(ground.dsn) as connection:
        log = Ledger(ground.broker, places.reader, connection, FOLDS[model.name])
        log.live()
    count = sum(end for _, end in places.reader.bounds(log.parts).values())
    engine, other = ground.engine(model), empty.engine(model)
    with running(engine):
        until(lambda: ground.applied(model) == count, engine)
        there = contents(ground, model.name, model)
        assert sum(map(len, there.values())) > 50
        for topic in model.topics:
            replayed(places, topic.name(ground.environment), topic.name(empty.environment))
            replayed(places, topic.name(ground.environment), None)
        until(lambda: ground.applied(model) == 2 * count, engine)
        assert contents(ground, model.name, model) == there
    with running(other):
        until(lambda: empty.applied(model) == count, other)
    assert contents(empty, model.name, model) == there
