"""Where Kafka and the registry are: where a setting says, else in the running local stack. Nothing is started here."""

from typing import Literal

from ops.settings import Settings, variable
from schemas.errors import OrderflowError


class NowhereError(OrderflowError):
    """Neither a setting nor a running local stack gives the part that a command needs."""


def kafka(settings: Settings) -> str:
    return settings.kafka_bootstrap or _local("kafka", settings)


def registry(settings: Settings) -> str:
    return settings.registry_url or _local("registry", settings)


def _local(part: Literal["kafka", "registry"], settings: Settings) -> str:
    setting = variable({"kafka": "kafka_bootstrap", "registry": "registry_url"}[part])
    away = NowhereError(f"no {part}: start the local one (orderflow up) or set {setting}")
    try:
        from ops.stack import Stack  # noqa: PLC0415 - needs the extra `local`
    except OrderflowError as missing:
        raise away from missing
    address = next((each.address for each in Stack(settings).status() if each.name == part and each.healthy), None)
    if address is None:
        raise away
    return address
