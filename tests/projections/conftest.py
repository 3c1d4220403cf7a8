"""A database of its own for each test, on the shared server."""

from collections.abc import Iterator

import pytest
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from ops.stack import Addresses
from projections import database


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
