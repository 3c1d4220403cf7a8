"""Where Kafka, the registry and the Order Database are: as a setting says, else in the running local stack.

Nothing is started here.
"""

from typing import Literal

from ops.settings import Settings, variable
from schemas.errors import OrderflowError


class NowhereError(OrderflowError):
    """Neither a setting nor a running local stack gives the part that a command needs."""


def kafka(settings: Settings) -> str:
    return settings.kafka_bootstrap or _local("kafka", settings)


def registry(settings: Settings) -> str:
    return settings.registry_url or _local("registry", settings)


def postgres(settings: Settings, environment: str) -> str:
    """The Order Database of an environment: as the setting names it, or a database of its own on the local server."""
    if settings.postgres_dsn is not None:
        return settings.postgres_dsn.get_secret_value()
    from projections.database import of_environment  # noqa: PLC0415 - who only asks for Kafka need not load psycopg

    return of_environment(_local("postgres", settings), environment)


def _local(part: Literal["kafka", "registry", "postgres"], settings: Settings) -> str:
    setting = variable({"kafka": "kafka_bootstrap", "registry": "registry_url", "postgres": "postgres_dsn"}[part])
    away = NowhereError(f"no {part}: start the local one (orderflow up) or set {setting}")
    try:
        from ops.stack import Stack  # noqa: PLC0415 - needs the extra `local`
    except OrderflowError as missing:
        raise away from missing
    address = next((each.address for each in Stack(settings).status() if each.name == part and each.healthy), None)
    if address is None:
        raise away
    return address
