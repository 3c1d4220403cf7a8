"""Every setting of the project, in one frozen place. `docs/settings.md` is generated from here."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schemas.errors import OrderflowError
from schemas.topics import ENVIRONMENT

PREFIX = "ORDERFLOW_"


class SettingsError(OrderflowError):
    """The environment holds settings that can't be used; the message lists all of them."""

    exit_code = 2


class Settings(BaseSettings):
    """Read once from the environment (`ORDERFLOW_…`) and handed down."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    environment: Annotated[
        str,
        StringConstraints(pattern=f"^{ENVIRONMENT.pattern}$"),
        Field(description="The `<env>` in every topic name."),
    ] = "dev"
    data_dir: Annotated[Path, Field(description="Where the local stack keeps its data, logs and pids.")] = Path(
        ".orderflow"
    )

    kafka_bootstrap: Annotated[
        str | None, Field(description="A running Kafka to use instead of starting one: `host:port,host:port`.")
    ] = None
    kafka_security_protocol: Annotated[
        str,
        StringConstraints(pattern=r"^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$"),
        Field(description="How to talk to it: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        str | None,
        StringConstraints(pattern=r"^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512)$"),
        Field(description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."),
    ] = None
    kafka_sasl_username: Annotated[str | None, Field(description="Who we are to Kafka.")] = None
    kafka_sasl_password: Annotated[SecretStr | None, Field(description="And how we prove it.")] = None
    kafka_ssl_ca: Annotated[Path | None, Field(description="PEM file of the CA that signed the brokers.")] = None
    kafka_ssl_certificate: Annotated[Path | None, Field(description="PEM file of our certificate (mutual TLS).")] = None
    kafka_ssl_key: Annotated[Path | None, Field(description="PEM file of its private key.")] = None
    kafka_ssl_key_password: Annotated[SecretStr | None, Field(description="The password of that key.")] = None

    postgres_dsn: Annotated[
        SecretStr | None, Field(description="A running PostgreSQL to use instead of starting one: `postgresql://…`.")
    ] = None

    registry_url: Annotated[
        str | None, Field(description="A running schema registry (Confluent's API) to use instead of starting one.")
    ] = None
    registry_username: Annotated[str | None, Field(description="Basic auth at the registry.")] = None
    registry_password: Annotated[SecretStr | None, Field(description="Its password.")] = None
    registry_ssl_ca: Annotated[Path | None, Field(description="PEM file of the CA that signed the registry.")] = None
    registry_ssl_certificate: Annotated[Path | None, Field(description="PEM file of our certificate there.")] = None
    registry_ssl_key: Annotated[Path | None, Field(description="PEM file of its private key.")] = None

    cloudevents_topics: Annotated[
        frozenset[str],
        NoDecode,
        BeforeValidator(lambda value: frozenset(value.split(",")) if isinstance(value, str) else value),
        Field(
            description="Topics whose records also carry CloudEvents headers, separated by commas. "
            "Headers cost more than the rest of a record."
        ),
    ] = frozenset()

    state_store: Annotated[
        str,
        StringConstraints(pattern=r"^(rocksdb|memory)$"),
        Field(
            description="Where a worker keeps the state of its partitions at hand: rocksdb (under "
            "ORDERFLOW_DATA_DIR, there again after a restart) or memory (read from the changelog at every start)."
        ),
    ] = "rocksdb"
    standbys: Annotated[
        int, Field(ge=0, le=5, description="On how many more workers the state of each partition is kept ready.")
    ] = 0
    session_seconds: Annotated[
        float, Field(ge=6, le=20, description="A worker that is not heard of for so long loses its partitions.")
    ] = 10.0

    gateway: Annotated[
        str,
        StringConstraints(pattern=r"^(calm|rough)$"),
        Field(
            description="How the simulated payment gateway behaves: calm says yes at once; rough declines, is slow, "
            "breaks off and is away at times."
        ),
    ] = "calm"
    gateway_ledger: Annotated[
        Path | None,
        Field(
            description="The file where the simulated gateway remembers what it did; all workers of an environment "
            "need the same. By default gateway.sqlite under ORDERFLOW_DATA_DIR."
        ),
    ] = None

    http_host: Annotated[
        str, Field(description="Where a worker answers /live, /ready and /metrics. They ask for no password.")
    ] = "127.0.0.1"
    http_port: Annotated[
        int, Field(ge=0, le=65535, description="And on which port; 0 takes a free one, which the log names.")
    ] = 0
    api_host: Annotated[str, Field(description="Where `orderflow api` listens, in plain HTTP: put TLS before it.")] = (
        "127.0.0.1"
    )
    api_port: Annotated[
        int, Field(ge=0, le=65535, description="And on which port; 0 takes a free one, which the log names.")
    ] = 8000
    api_keys: Annotated[
        str,
        StringConstraints(pattern=r"^(required|off)$"),
        Field(description="off lets in whoever reaches the port, with every right; only in the environment dev."),
    ] = "required"
    log_format: Annotated[
        str,
        StringConstraints(pattern=r"^(auto|json|pretty)$"),
        Field(description="auto, json or pretty; auto is pretty on a terminal and one JSON object a line elsewhere."),
    ] = "auto"
    log_level: Annotated[
        str,
        StringConstraints(pattern=r"^(DEBUG|INFO|WARNING|ERROR)$"),
        Field(description="DEBUG, INFO, WARNING or ERROR; of the libraries beneath never less than WARNING."),
    ] = "INFO"
    drain_seconds: Annotated[
        float,
        Field(gt=0, description="How long a worker that is told to stop may take to finish what it has in hand."),
    ] = 10.0
    otlp_endpoint: Annotated[
        str | None,
        StringConstraints(pattern=r"^https?://"),
        Field(description="Send traces to this OpenTelemetry collector, such as `http://127.0.0.1:4318`."),
    ] = None

    @field_validator("api_keys")
    @classmethod
    def _keys_are_asked_for(cls, value: str, others: ValidationInfo) -> str:
        if value == "off" and others.data.get("environment") != "dev":
            raise ValueError("only the environment dev may do without keys; make one with `orderflow api keys create`")
        return value

    def kafka_client(self, bootstrap: str) -> dict[str, str]:
        """What any Kafka client of ours needs to reach the cluster."""
        return {"bootstrap.servers": bootstrap, "security.protocol": self.kafka_security_protocol} | _present(
            {
                "sasl.mechanism": self.kafka_sasl_mechanism,
                "sasl.username": self.kafka_sasl_username,
                "sasl.password": self.kafka_sasl_password,
                "ssl.ca.location": self.kafka_ssl_ca,
                "ssl.certificate.location": self.kafka_ssl_certificate,
                "ssl.key.location": self.kafka_ssl_key,
                "ssl.key.password": self.kafka_ssl_key_password,
            }
        )

    def registry_client(self, url: str) -> dict[str, str]:
        """What the client of the schema registry needs to reach it."""
        login = None
        if self.registry_username is not None and self.registry_password is not None:
            login = f"{self.registry_username}:{self.registry_password.get_secret_value()}"
        return {"url": url} | _present(
            {
                "basic.auth.user.info": login,
                "ssl.ca.location": self.registry_ssl_ca,
                "ssl.certificate.location": self.registry_ssl_certificate,
                "ssl.key.location": self.registry_ssl_key,
            }
        )


def _present(values: Mapping[str, str | Path | SecretStr | None]) -> dict[str, str]:
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }


def load() -> Settings:
    """Read the environment; every problem in it is reported at once."""
    problems = list(_strangers())
    try:
        settings = Settings()
    except ValidationError as error:
        problems += [_problem(each) for each in error.errors(include_url=False)]
    if problems:
        raise SettingsError("; ".join(problems))
    return settings


def variable(field: str) -> str:
    return PREFIX + field.upper()


def _strangers() -> Iterator[str]:
    known = [variable(field) for field in Settings.model_fields]
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            yield f"{name} is no setting" + (
                f"; did you mean {close[0]}?" if close else "; docs/settings.md lists them"
            )


def _problem(error: ErrorDetails) -> str:
    field = str(error["loc"][0])
    secret = "Secret" in str(Settings.model_fields[field].annotation)
    value = "(hidden)" if secret else repr(error["input"])
    return f"{variable(field)}={value}: {error['msg']}"


def table() -> str:
    """`docs/settings.md`."""
    rows = [
        f"| `{variable(name)}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Every setting is an environment variable. All problems in them are reported together, secrets are masked.",
            "`orderflow settings` shows what is in force. This page is generated: `orderflow settings --markdown`.",
            "",
            "| variable | default | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _default(value: object) -> str:
    return "" if value in (None, frozenset()) else f"`{value}`"
