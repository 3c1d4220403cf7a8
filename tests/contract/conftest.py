"""Whatever keeps one contract in two ways: registries and worlds, in memory and on the local stack."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from streams.confluent import ConfluentRegistry
from streams.registry import ManagedRegistry
from streams.testing.registry import MemoryRegistry
from tests.contract.worlds import MakeWorld, World
from tests.contract.worlds.kafka import KafkaWorld, Where
from tests.contract.worlds.twin import TwinWorld

#: Opens the registry under test; the flag says whether producers may register.
Open = Callable[[bool], ManagedRegistry]


@pytest.fixture(
    params=[
        "memory",
        pytest.param("apicurio", marks=pytest.mark.connected),
    ]
)
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    if request.param == "memory":
        yield lambda registers: MemoryRegistry(registers=registers)
        return
    url = request.getfixturevalue("stack").registry
    with ExitStack() as exits:
        yield lambda registers: exits.enter_context(closing(ConfluentRegistry({"url": url}, registers=registers)))


@pytest.fixture
def registry(opened: Open) -> ManagedRegistry:
    return opened(False)


@pytest.fixture
def subject(unique: str) -> str:
    return f"payments.{unique}.events-orderflow.payments.PaymentFailed"


@pytest.fixture(params=["twin", pytest.param("kafka, in memory", marks=pytest.mark.connected)])
def make_world(request: pytest.FixtureRequest, unique: str, tmp_path: Path) -> Iterator[MakeWorld]:
    if request.param == "twin":
        yield TwinWorld
        return
    durable = request.param == "kafka, in RocksDB"
    where = Where(request.getfixturevalue("stack"), unique, tmp_path, durable)
    with ExitStack() as exits:

        def making(*services: Any, **settings: Any) -> World:
            return exits.enter_context(closing(KafkaWorld(where, *services, **settings)))

        yield making
