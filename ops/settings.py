"""Every setting of the project, in one frozen place. `docs/settings.md` is generated from here."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.topics import ENVIRONMENT


class Settings(BaseSettings):
    """Read once from the environment (`ORDERFLOW_…`) and handed down."""

    model_config = SettingsConfigDict(env_prefix="ORDERFLOW_", frozen=True, extra="ignore")

    environment: Annotated[
        str, StringConstraints(pattern=f"^{ENVIRONMENT.pattern}$"), Field(description="The <env> in every topic name.")
    ] = "dev"
    data_dir: Annotated[Path, Field(description="Where the local stack keeps its data, logs and pids.")] = Path(
        ".orderflow"
    )
    kafka_bootstrap: Annotated[
        str | None, Field(description="A running Kafka to use instead of starting one: host:port,host:port.")
    ] = None
    postgres_dsn: Annotated[
        SecretStr | None, Field(description="A running PostgreSQL to use instead of starting one: postgresql://….")
    ] = None
    registry_url: Annotated[
        str | None, Field(description="A running schema registry (Confluent's API) to use instead of starting one.")
    ] = None
