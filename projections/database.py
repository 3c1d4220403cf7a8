"""The Order Database: where it is, how to reach it, and what it is to us when it can't be reached."""

from psycopg import Connection, Error, OperationalError, connect
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DuplicateDatabase, UniqueViolation
from psycopg.sql import Identifier

from projections import queries
from schemas.errors import OrderflowError

REACH_SECONDS = 5
#: Whoever is frozen in the middle of a transaction, or cut off, must not keep others from its rows for long; and a
#: statement that hangs is better tried again.
_OPTIONS = {
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "10s",
    "statement_timeout": "30s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_NETWORK = {"connect_timeout": REACH_SECONDS, "tcp_user_timeout": 20_000, "keepalives_idle": 5}
_SQL = queries.load("migrations")


class DatabaseError(OrderflowError):
    """The Order Database refused."""


class DatabaseAwayError(DatabaseError):
    """The Order Database can't be reached; it may be, later."""


def of_environment(dsn: str, environment: str) -> str:
    """On this server, the database of an environment."""
    return make_conninfo(dsn, dbname=f"orderflow_{environment.replace('-', '_')}")


def opened(dsn: str) -> Connection:
    """A connection in UTC. A transaction begins where the code says so, and nowhere else."""
    options = " ".join(f"-c {name}={value}" for name, value in _OPTIONS.items())
    try:
        return connect(make_conninfo(dsn, options=options, **_NETWORK), autocommit=True)
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
