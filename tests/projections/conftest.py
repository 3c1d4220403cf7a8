"""A database of its own for each test, on the shared server."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from ops.stack import Addresses
from ops.stack.layout import Layout
from ops.stack.postgres import Postgres
from ops.stack.state import State
from projections import database
from streams.confluent import ConfluentRegistry


@pytest.fixture
def dsn(stack: Addresses, unique: str) -> Iterator[str]:
    """Removed afterwards, whoever is still connected."""
    address = make_conninfo(stack.postgres, dbname=unique)
    database.create(address)
    yield address
    with database.opened(stack.postgres) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(unique)))


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection]:
    with database.opened(dsn) as connection:
        yield connection


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    """A server of its own, for what others must not feel."""
    layout = Layout(tmp_path / "stack")
    layout.make()
    postgres = Postgres(layout, State(layout.state))
    yield postgres
    postgres.down()


@pytest.fixture
def registry(stack: Addresses) -> Iterator[ConfluentRegistry]:
    """The real one, which other processes find, too."""
    with closing(ConfluentRegistry({"url": stack.registry}, registers=True)) as registry:
        yield registry
