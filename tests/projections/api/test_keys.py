import dataclasses
import hmac
from hashlib import sha256

import httpx
import pytest
from psycopg import Connection

from projections.api.app import Site, create
from projections.api.keys import NoSuchKeyError, Scope, known, mint, revoke
from tests.projections.api.conftest import Serve
from tests.projections.api.rows import CUSTOMER, ORDER
from tests.projections.api.test_problems import CART, problem

pytestmark = pytest.mark.connected

READ = f"/orders?customerId={CUSTOMER}"


@pytest.fixture
def guarded(site: Site, serve: Serve) -> httpx.Client:
    return serve(create(dataclasses.replace(site, asks_for_keys=True)))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        *(("GET", path, Scope.READ) for path in (READ, f"/orders/{ORDER}", f"/orders/{ORDER}/history")),
        *(("GET", f"{path}/{ORDER}", Scope.READ) for path in ("/checkouts", "/inventory", "/stock", "/payments")),
        ("GET", f"/orders/{ORDER}/events", Scope.READ),
        ("GET", "/inventory", Scope.READ),
        ("POST", "/checkouts", Scope.WRITE),
        ("POST", f"/orders/{ORDER}/cancel", Scope.WRITE),
        ("GET", "/positions", Scope.OPERATE),
    ],
)
def test_each_route_takes_a_key_with_its_scope_and_no_other(
    guarded: httpx.Client, connection: Connection, method: str, path: str, scope: Scope
) -> None:
    nobody = guarded.request(method, path, json=CART)
    assert nobody.headers["WWW-Authenticate"] == "Bearer"
    problem(nobody, "unauthenticated")
    others = mint(connection, "shop", set(Scope) - {scope})
    assert f"this needs {scope}" in problem(guarded.request(method, path, headers=bearer(others)), "forbidden").detail
    right = mint(connection, "shop", [scope])
    assert guarded.request(method, path, headers=bearer(right)).status_code not in {401, 403}


@pytest.mark.parametrize("path", ["/health", "/ready", "/openapi.json"])
def test_who_watches_over_the_process_needs_no_key(guarded: httpx.Client, path: str) -> None:
    assert guarded.get(path).status_code in {200, 503}


def test_a_key_is_good_until_it_is_revoked(guarded: httpx.Client, connection: Connection) -> None:
    key = mint(connection, "shop", [Scope.READ])
    assert guarded.get(READ, headers=bearer(key)).status_code == 200
    [kept] = known(connection)
    assert (kept.client, kept.scopes, kept.revoked_at) == ("shop", ["read"], None)
    for _ in range(2):
        revoke(connection, kept.key_id)
    problem(guarded.get(READ, headers=bearer(key)), "unauthenticated")
    [revoked] = known(connection)
    assert revoked.revoked_at is not None


def test_nothing_that_is_kept_lets_anybody_in(guarded: httpx.Client, connection: Connection) -> None:
    key = mint(connection, "shop", [Scope.READ])
    row = connection.execute("SELECT key_id, digest, keys::text FROM access.keys").fetchone()
    assert row is not None
    key_id, digest, everything = row
    assert digest == sha256(key.encode()).digest()
    assert key not in everything
    assert key.split("_", 2)[2] not in everything
    for guess in (digest.hex(), key_id, f"ofk_{key_id}_{'A' * 43}", key[:-1], key + "A", key.upper(), "?"):
        problem(guarded.get(READ, headers=bearer(guess)), "unauthenticated")


def test_keys_are_compared_in_constant_time(
    guarded: httpx.Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    key = mint(connection, "shop", [Scope.READ])
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert guarded.get(READ, headers=bearer(key)).status_code == 200
    assert compared == [(sha256(key.encode()).digest(),) * 2]


def test_a_key_that_is_not_there_can_not_be_revoked(migrated: str, connection: Connection) -> None:
    with pytest.raises(NoSuchKeyError, match="orderflow api keys list"):
        revoke(connection, "000000000000")


def test_no_two_keys_are_alike(migrated: str, connection: Connection) -> None:
    keys = {mint(connection, "shop", [Scope.READ]) for _ in range(20)}
    assert len(keys) == len({key.split("_", 2)[2] for key in keys}) == 20
