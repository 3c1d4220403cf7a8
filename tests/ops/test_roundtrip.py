import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops import roundtrip
from ops.cli import app
from ops.settings import Settings
from ops.stack import Addresses, Stack
from ops.stack.progress import Silent
from schemas.catalogue import RECORDS
from streams.producer import Outgoing, Place, deliver

pytestmark = pytest.mark.connected


@pytest.fixture
def given(stack: Addresses, monkeypatch: pytest.MonkeyPatch) -> Addresses:
    """The shared stack, as settings give it."""
    monkeypatch.setenv("ORDERFLOW_KAFKA_BOOTSTRAP", stack.kafka)
    monkeypatch.setenv("ORDERFLOW_POSTGRES_DSN", stack.postgres)
    monkeypatch.setenv("ORDERFLOW_REGISTRY_URL", stack.registry)
    return stack


@pytest.mark.usefixtures("given")
def test_one_of_each_message_comes_back_as_it_was_sent() -> None:
    done = CliRunner().invoke(app, ["schemas", "roundtrip", "--json"])
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert done.exit_code == 0
    assert (outcome["messages"], outcome["differing"]) == (len(RECORDS), [])
    assert {trip["message"] for trip in outcome["trips"]} == {message.__name__ for message in RECORDS}


@pytest.mark.usefixtures("given")
def test_headers_travel_where_the_setting_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Outgoing] = []

    def overheard(client: dict[str, str], records: list[Outgoing]) -> list[Place]:
        sent.extend(records)
        return deliver(client, records)

    monkeypatch.setattr(roundtrip, "deliver", overheard)
    monkeypatch.setenv("ORDERFLOW_CLOUDEVENTS_TOPICS", "orders.roundtrip.events")
    assert CliRunner().invoke(app, ["schemas", "roundtrip"]).exit_code == 0
    with_headers = {record.topic for record in sent if record.headers}
    assert with_headers == {"orders.roundtrip.events"}


@pytest.mark.usefixtures("given")
def test_a_message_that_comes_back_different_fails_the_roundtrip(monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(client: dict[str, str], records: list[Outgoing]) -> list[Place]:
        return deliver(client, [records[0]._replace(value=records[1].value), *records[1:]])

    monkeypatch.setattr(roundtrip, "deliver", swapped)
    done = CliRunner().invoke(app, ["schemas", "roundtrip"])
    assert isinstance(done.exception, roundtrip.RoundtripError)
    assert str(done.exception) == f"came back different: {RECORDS[0].__name__}"


@pytest.mark.proof
def test_on_a_machine_where_nothing_runs_it_starts_all_and_leaves_nothing_running(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    outcome = roundtrip.run(settings, Silent(), lambda _: None)
    assert outcome.differing == []
    assert not any(part.pids for part in Stack(settings).status())
