"""The Order Database: where it is, how to reach it, and what it is to us when it can't be reached."""

from psycopg import Connection, Error, OperationalError, connect
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DuplicateDatabase, UniqueViolation
from psycopg.sql import Identifier

from projections import queries
from schemas.errors import OrderflowError

REACH_SECONDS = 5
_SQL = queries.load("migrations")


class DatabaseError(OrderflowError):
    """The Order Database refused."""


class DatabaseAwayError(DatabaseError):
    """The Order Database can't be reached; it may be, later."""


def of_environment(dsn: str, environment: str) -> str:
    """On this server, the database of an environment."""
    return make_conninfo(dsn, dbname=f"orderflow_{environment.replace('-', '_')}")


def opened(dsn: str, *, autocommit: bool = True) -> Connection:
    """A connection in UTC. With `autocommit` a transaction begins where the code says so, and nowhere else."""
    try:
        return connect(dsn, autocommit=autocommit, connect_timeout=REACH_SECONDS, options="-c timezone=UTC")
    except OperationalError as error:
        named = conninfo_to_dict(dsn)
        where = {name: str(named[name]) for name in ("host", "port", "dbname") if name in named}
        raise DatabaseAwayError(
            f"PostgreSQL does not let us in at {make_conninfo(**where)}: is it running (`orderflow status`), "
            "is ORDERFLOW_POSTGRES_DSN right, and is its database made (`orderflow database migrate`)?"
        ) from error


def create(dsn: str) -> bool:
    """Make the database that the address names, if it is missing; whether it was."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    with opened(make_conninfo(dsn, dbname="postgres")) as connection:
        if connection.execute(_SQL["database exists"], {"name": name}).fetchone():
            return False
        try:
            connection.execute(_SQL["create database"].format(name=Identifier(name)))
        except (DuplicateDatabase, UniqueViolation):  # somebody else was quicker
            return False
        except Error as error:
            raise DatabaseError(f"the database {name} can't be made: {error}") from error
    return True
