"""`orderflow export` as somebody runs it by the clock, against the real stack; and as something kills it."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pyarrow import parquet

from ops.export.manifest import Shelf
from ops.stack import Addresses
from schemas.examples import example_of
from schemas.identity import derived_id
from schemas.orders import OrderCreated
from schemas.topics import ORDERS_EVENTS
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.topics import TopicAdmin, plan, wanted
from tests.streams.kafka.engines import Ground

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(240)]

COMMAND = [str(Path(sys.executable).with_name("orderflow")), "export", "--topic", "orders.events", "--json"]
COUNT = 20_000


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Iterator[Ground]:
    ground = Ground(stack.kafka, unique)
    declared = [wanted(ORDERS_EVENTS, unique, brokers=1)]
    TopicAdmin(ground.client).apply(plan(declared, {}), declared)
    with closing(ConfluentRegistry({"url": stack.registry}, registers=True)) as registry:
        ground.codec = Codec(registry, unique)
        yield ground


@pytest.fixture
def surroundings(stack: Addresses, unique: str) -> dict[str, str]:
    return os.environ | {
        "ORDERFLOW_KAFKA_BOOTSTRAP": stack.kafka,
        "ORDERFLOW_REGISTRY_URL": stack.registry,
        "ORDERFLOW_ENVIRONMENT": unique,
    }


def create(ground: Ground, begin: int, count: int) -> None:
    example = example_of(OrderCreated)
    ids = (derived_id("exported", number) for number in range(begin, begin + count))
    for order_id in ids:
        message = example.model_copy(update={"orderId": order_id})
        ground.put(ORDERS_EVENTS, ground.codec.encode(message), order_id.encode())
    ground.flush()


def exported(root: Path) -> Counter[str]:
    """Of all files that are there, named or not."""
    tables = [parquet.ParquetFile(path).read(["order_id"]) for path in root.glob("*/*/day=*/*.parquet")]
    return Counter(each for table in tables for each in table["order_id"].to_pylist())


def once(count: int) -> Counter[str]:
    return Counter(derived_id("exported", number) for number in range(count))


def test_every_run_exports_what_is_new(ground: Ground, surroundings: dict[str, str], tmp_path: Path) -> None:
    create(ground, 0, 500)
    command = [*COMMAND, "--to", str(tmp_path)]
    for begin, new in ((0, 500), (500, 300), (800, 0)):
        if begin:
            create(ground, begin, new)
        ran = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran
        assert json.loads(ran.stdout)["records"] == new
        assert exported(tmp_path) == once(begin + new)


@pytest.mark.proof
def test_a_run_that_is_killed_at_some_moment_loses_and_repeats_nothing(
    ground: Ground, surroundings: dict[str, str], tmp_path: Path
) -> None:
    create(ground, 0, COUNT)
    command, deaths = [*COMMAND, "--to", str(tmp_path)], 0
    # The longer it may live, the further it comes: from the first import to the last manifest.
    for tenths in range(5, 300, 2):
        running = subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            running.communicate(timeout=tenths / 10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            deaths += 1
        if running.returncode == 0:
            break
        named = sum(file.rows for manifest in Shelf(tmp_path).manifests for file in manifest.files)
        assert named in {0, COUNT}
    assert running.returncode == 0
    assert deaths > 3
    assert exported(tmp_path) == once(COUNT)
