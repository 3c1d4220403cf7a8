"""What services said on a morning with crashes and repeats, projected, and held against an independent fold of it."""

from collections.abc import Iterator

import pytest
from psycopg import Connection

from ops.reading import Reader
from ops.stack import Addresses
from ops.verification import opening
from projections.folds.catalogue import MODELS as FOLDS
from projections.models import MODELS
from projections.models.model import ReadModel
from projections.verify import verify
from tests.projections.ground import Ground
from tests.projections.ledger import Ledger
from tests.streams.kafka.engines import running, until

pytestmark = pytest.mark.connected


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
    opened = opening(reader, model.name, ground.environment, lambda _done, _total: None)
    verdict = verify(connection, FOLDS[model.name], opened)
    assert (verdict.rows > 50, verdict.differing) == (True, 0), verdict.differences
