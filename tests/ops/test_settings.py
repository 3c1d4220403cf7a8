from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.settings import Settings, SettingsError, load, table

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_defaults_are_a_local_development_environment() -> None:
    settings = load()
    assert settings.environment == "dev"
    assert settings.kafka_bootstrap is None


def test_all_problems_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_ENVIRONMENT", "Not A Slug")
    monkeypatch.setenv("ORDERFLOW_KAFKA_SECURITY_PROTOCOL", "SECRET_HANDSHAKE")
    monkeypatch.setenv("ORDERFLOW_KAFKA_BOOTSTAP", "localhost:9092")
    with pytest.raises(SettingsError) as raised:
        load()
    text = str(raised.value)
    assert "ORDERFLOW_ENVIRONMENT='Not A Slug'" in text
    assert "ORDERFLOW_KAFKA_SECURITY_PROTOCOL='SECRET_HANDSHAKE'" in text
    assert "ORDERFLOW_KAFKA_BOOTSTAP is no setting; did you mean ORDERFLOW_KAFKA_BOOTSTRAP?" in text


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_KAFKA_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("ORDERFLOW_POSTGRES_DSN", "postgresql://me:hunter2@localhost/orders")
    assert "hunter2" not in repr(load())


def test_an_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_KAFKA_BOOTSTRAP", "")
    assert load().kafka_bootstrap is None


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().environment = "prod"  # type: ignore[misc]


def test_topics_with_cloudevents_headers_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_CLOUDEVENTS_TOPICS", "orders.dev.events,carts.dev.events")
    assert load().cloudevents_topics == {"orders.dev.events", "carts.dev.events"}


def test_security_reaches_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "orderflow",
        "KAFKA_SASL_PASSWORD": "hunter2",
        "KAFKA_SSL_CA": "/ca.pem",
        "REGISTRY_USERNAME": "reader",
        "REGISTRY_PASSWORD": "hunter3",
    }.items():
        monkeypatch.setenv(f"ORDERFLOW_{name}", value)
    settings = load()
    assert settings.kafka_client("broker:9093") == {
        "bootstrap.servers": "broker:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "orderflow",
        "sasl.password": "hunter2",
        "ssl.ca.location": "/ca.pem",
    }
    assert settings.registry_client("https://registry")["basic.auth.user.info"] == "reader:hunter3"


def test_without_security_the_clients_get_the_address_alone() -> None:
    assert Settings().kafka_client("b:1") == {"bootstrap.servers": "b:1", "security.protocol": "PLAINTEXT"}
    assert Settings().registry_client("http://r") == {"url": "http://r"}


def test_the_page_in_docs_is_the_one_that_the_settings_give() -> None:
    assert PAGE.read_text() == table(), "run: orderflow settings --markdown > docs/settings.md"


def test_the_command_shows_what_is_in_force_with_secrets_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_ENVIRONMENT", "sit")
    monkeypatch.setenv("ORDERFLOW_KAFKA_SASL_PASSWORD", "hunter2")
    shown = CliRunner().invoke(app, ["settings"]).stdout.splitlines()
    assert "ORDERFLOW_ENVIRONMENT=sit" in shown
    assert "ORDERFLOW_KAFKA_SASL_PASSWORD=**********" in shown
    assert "ORDERFLOW_KAFKA_BOOTSTRAP=" in shown
