"""The API as a process serves it: on a real port, a database of its own, and the shared Kafka and registry."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from ops.registration import register
from ops.stack import Addresses
from ops.stack.ports import HOST, any_free
from ops.stack.waiting import wait_until
from projections import database, migrations
from projections.api.app import Site, create
from schemas.orders import CancelOrder
from schemas.shopping import CartCheckedOut
from schemas.topics import CARTS_EVENTS, ORDERS_COMMANDS
from streams.confluent import ConfluentRegistry
from streams.topics import plan, wanted
from tests import topics

Serve = Callable[[FastAPI], httpx.Client]


@contextmanager
def serving(app: FastAPI) -> Iterator[httpx.Client]:
    port = any_free()
    server = uvicorn.Server(uvicorn.Config(app, host=HOST, port=port, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        assert wait_until(lambda: server.started, seconds=30)
        with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Any number of them, until the test ends."""
    with ExitStack() as running:
        yield lambda app: running.enter_context(serving(app))


@pytest.fixture
def migrated(dsn: str) -> str:
    with database.opened(dsn) as connection:
        for schema in migrations.schemas():
            migrations.migrate(connection, schema, migrations.of(schema))
    return dsn


@pytest.fixture
def site(stack: Addresses, migrated: str, unique: str) -> Site:
    """Everything is there; nobody is asked for a key."""
    return Site(
        environment=unique,
        dsn=migrated,
        kafka={"bootstrap.servers": stack.kafka},
        registry={"url": stack.registry},
        asks_for_keys=False,
    )


@pytest.fixture
def api(site: Site, serve: Serve) -> httpx.Client:
    return serve(create(site))


@pytest.fixture
def pipeline(stack: Addresses, unique: str) -> None:
    """Topics and schemas of what the API publishes; nobody at work behind them."""
    admin = topics.admin(stack.kafka)
    declared = [wanted(topic, unique, brokers=1) for topic in (CARTS_EVENTS, ORDERS_COMMANDS)]
    admin.apply(plan(declared, {}), declared)
    with closing(ConfluentRegistry({"url": stack.registry})) as registry:
        register(registry, unique, (CartCheckedOut, CancelOrder))
