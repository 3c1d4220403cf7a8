import ssl
from pathlib import Path

import pytest
from faust.auth import SASLCredentials, SSLCredentials
from pydantic import SecretStr

from ops.settings import Settings
from streams.kafka.security import SecurityError, credentials

SASL = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "us", "sasl.password": "secret"}


def test_a_cluster_that_asks_for_nothing_is_given_nothing() -> None:
    assert credentials(Settings().kafka_client("localhost:9092")) is None


@pytest.mark.parametrize(("protocol", "encrypted"), [("SASL_PLAINTEXT", False), ("SASL_SSL", True)])
def test_a_password_goes_with_its_mechanism_encrypted_as_asked(protocol: str, encrypted: bool) -> None:
    given = credentials({"security.protocol": protocol} | SASL)
    assert isinstance(given, SASLCredentials)
    assert (given.username, given.password, given.mechanism.value) == ("us", "secret", "SCRAM-SHA-512")
    assert (given.protocol.value, given.ssl_context is not None) == (protocol, encrypted)


def test_brokers_are_verified_by_certificate_and_name() -> None:
    given = credentials({"security.protocol": "SSL"})
    assert isinstance(given, SSLCredentials)
    assert given.context.verify_mode is ssl.CERT_REQUIRED
    assert given.context.check_hostname


def test_every_security_setting_of_ours_is_known(tmp_path: Path) -> None:
    settings = Settings(
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="PLAIN",
        kafka_sasl_username="us",
        kafka_sasl_password=SecretStr("secret"),
        kafka_ssl_ca=tmp_path / "ca.pem",
        kafka_ssl_certificate=tmp_path / "us.pem",
        kafka_ssl_key=tmp_path / "us.key",
        kafka_ssl_key_password=SecretStr("secret"),
    )
    with pytest.raises(SecurityError, match=r"ca\.pem") as refused:  # the file, not one of the settings
        credentials(settings.kafka_client("localhost:9092"))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ({"sasl.kerberos.service.name": "kafka"}, "sasl.kerberos.service.name"),
        ({"security.protocol": "TLS"}, "security.protocol=TLS"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}, "sasl.mechanism=OAUTHBEARER"),
        ({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}, "sasl.username and sasl.password"),
    ],
)
def test_what_cannot_be_translated_is_refused_by_name(client: dict[str, str], says: str) -> None:
    with pytest.raises(SecurityError, match=says):
        credentials(client)
