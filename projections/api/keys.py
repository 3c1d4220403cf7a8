"""API keys: `ofk_<key id>_<secret>`. The key id is looked up, the whole key is compared by its SHA-256.

Not bcrypt or argon2: those make each guess dear, which protects what people choose. Here the secret is 256 random bits;
nobody guesses those at any price, and a slow hash would only be paid by us, at every request.
"""

import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.rows import DictRow, class_row

from projections import queries
from projections.api import SQL_FOLDER
from schemas.errors import OrderflowError

_KEY_ID_BYTES = 6
_SECRET_BYTES = 32
_FORM = re.compile(r"ofk_(?P<key_id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")

_SQL = queries.load("keys", SQL_FOLDER)


class Scope(StrEnum):
    """What a key is good for; none includes another."""

    READ = "read"
    WRITE = "write"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks."""

    name: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What is kept of a key, but for its digest."""

    key_id: str
    client: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


class NoSuchKeyError(OrderflowError):
    """There is nothing to revoke."""


def mint(connection: psycopg.Connection[Any], client: str, scopes: Collection[Scope]) -> str:
    """A new key: nobody can show it a second time."""
    key_id = secrets.token_hex(_KEY_ID_BYTES)
    key = f"ofk_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    connection.execute(
        _SQL["mint"], {"key_id": key_id, "client": client, "scopes": sorted(set(scopes)), "digest": _digest(key)}
    )
    return key


def known(connection: psycopg.Connection[Any]) -> list[KnownKey]:
    return connection.cursor(row_factory=class_row(KnownKey)).execute(_SQL["list"]).fetchall()


def revoke(connection: psycopg.Connection[Any], key_id: str) -> None:
    """From the next request on; a repeat changes nothing."""
    if connection.execute(_SQL["revoke"], {"key_id": key_id}).rowcount == 0:
        raise NoSuchKeyError(f"there is no key {key_id}; `orderflow api keys list` shows those there are")


async def client_of(connection: psycopg.AsyncConnection[DictRow], key: str) -> Client | None:
    """Whose key it is; None where it is nobody's, or no more."""
    form = _FORM.fullmatch(key)
    if form is None:
        return None
    found = await (await connection.execute(_SQL["find"], {"key_id": form["key_id"]})).fetchone()
    # In constant time: how long it takes to say no must not tell how much of it was right.
    if found is None or not hmac.compare_digest(found["digest"], _digest(key)):
        return None
    return Client(found["client"], frozenset(map(Scope, found["scopes"])))


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
