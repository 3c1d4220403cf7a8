"""`orderflow api` as an operator runs it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from psycopg.sql import SQL, Identifier
from typer.testing import CliRunner

from ops import addresses, serving
from ops.cli import app
from ops.settings import Settings, SettingsError, load
from ops.stack import Addresses
from ops.worker.http import AddressTakenError
from projections import database
from projections.api.app import Site
from tests.projections.api import rows

CLI = CliRunner()


@pytest.fixture
def surroundings(stack: Addresses, unique: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings as a shell would have them, and a migrated database of their own."""
    dsn = database.of_environment(stack.postgres, unique)
    values = {"ENVIRONMENT": unique, "POSTGRES_DSN": dsn, "KAFKA_BOOTSTRAP": stack.kafka}
    values |= {"REGISTRY_URL": stack.registry, "API_PORT": "0", "LOG_FORMAT": "json"}
    for name, value in values.items():
        monkeypatch.setenv(f"ORDERFLOW_{name}", value)
    database.create(dsn)
    assert CLI.invoke(app, ["database", "migrate"], catch_exceptions=False).exit_code == 0
    yield
    with database.opened(stack.postgres) as server:
        server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(f"orderflow_{unique}")))


@contextmanager
def running() -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [str(Path(sys.executable).parent / "orderflow"), "api"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stderr is not None
            line = next(each for each in process.stderr if "serves" in each)
            found = re.search(r"http://[\d.:]+", line)
            assert found is not None
            yield process, found[0]
        finally:
            process.kill()


@pytest.mark.connected
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(surroundings: None, number: signal.Signals) -> None:
    with running() as (process, url):
        assert httpx.get(f"{url}/health").status_code == 200
        assert httpx.get(f"{url}/inventory").status_code == 401
        process.send_signal(number)
        assert process.wait(30) == 0


@pytest.mark.connected
def test_a_stream_that_has_no_end_is_cut_when_the_drain_is_over(
    surroundings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERFLOW_DRAIN_SECONDS", "1")
    key = CLI.invoke(app, ["api", "keys", "create", "shop", "--scope", "read"]).stdout.strip()
    settings = load()
    with database.opened(addresses.postgres(settings, settings.environment)) as connection:
        rows.order(connection)
    asked = httpx.Client(headers={"Authorization": f"Bearer {key}"})
    with running() as (process, url), asked, asked.stream("GET", f"{url}/orders/{rows.ORDER}/events") as stream:
        assert next(stream.iter_lines()) == "retry: 2000"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.connected
def test_a_key_that_was_made_lets_in_until_it_is_revoked(surroundings: None) -> None:
    made = CLI.invoke(app, ["api", "keys", "create", "shop", "--scope", "read", "--scope", "write"])
    key = made.stdout.strip()
    with running() as (_, url):
        asked = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"})
        with asked:
            assert asked.get("/inventory").status_code == 200
            listed = CLI.invoke(app, ["api", "keys", "list"]).stdout
            assert re.search(r"shop +read write", listed)
            assert key not in listed
            assert CLI.invoke(app, ["api", "keys", "revoke", key.split("_")[1]]).exit_code == 0
            assert asked.get("/inventory").status_code == 401
    assert '"revoked_at": "2' in CLI.invoke(app, ["api", "keys", "list", "--json"]).stdout


@pytest.mark.connected
def test_a_scope_that_there_is_not_is_refused_with_those_there_are(surroundings: None) -> None:
    refused = CLI.invoke(app, ["api", "keys", "create", "shop", "--scope", "admin"])
    assert refused.exit_code == 2
    assert "read, write, operate" in refused.output


@pytest.mark.connected
def test_a_port_that_is_taken_is_told_with_what_to_do(surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as (_, url):
        monkeypatch.setenv("ORDERFLOW_API_PORT", url.rsplit(":", 1)[1])
        settings = load()
        with pytest.raises(AddressTakenError, match="ORDERFLOW_API_PORT"):
            serving.serve(site(settings), settings)


def site(settings: Settings) -> Site:
    return Site(
        environment=settings.environment,
        dsn=addresses.postgres(settings, settings.environment),
        kafka=settings.kafka_client(addresses.kafka(settings)),
        registry=settings.registry_client(addresses.registry(settings)),
    )


def test_only_development_may_do_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_API_KEYS", "off")
    assert load().api_keys == "off"
    monkeypatch.setenv("ORDERFLOW_ENVIRONMENT", "prod")
    with pytest.raises(SettingsError, match=r"ORDERFLOW_API_KEYS='off'.*only the environment dev"):
        load()
