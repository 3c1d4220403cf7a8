"""The contract against its releases, and the registry that it is put into."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from ops.settings import Settings
from schemas import released
from schemas.catalogue import MESSAGES
from schemas.errors import OrderflowError
from schemas.evolution import Break, breaks, unreleased
from streams.confluent import ConfluentRegistry
from streams.registry import ManagedRegistry, RegistryAccess


class ContractBrokenError(OrderflowError):
    """The contract breaks with what was released."""

    def __init__(self, found: list[Break]) -> None:
        count = "1 breaking change" if len(found) == 1 else f"{len(found)} breaking changes"
        super().__init__(f"{count}: readers and records would be lost")


def broken() -> list[Break]:
    return breaks(MESSAGES, released.read(released.DIRECTORY))


def waiting() -> dict[str, tuple[str | None, str]]:
    """Messages that the next release would move: from which version (None for a new one) to which."""
    baseline = released.read(released.DIRECTORY)
    return {
        name: (baseline[name][-1].version if name in baseline else None, now.version)
        for name, now in unreleased(MESSAGES, baseline).items()
    }


def release() -> None:
    """Move the baseline to the contract of today."""
    released.add(unreleased(MESSAGES, released.read(released.DIRECTORY)).items(), released.DIRECTORY)


@contextmanager
def registry(settings: Settings) -> Iterator[ManagedRegistry]:
    with closing(ConfluentRegistry(RegistryAccess(settings.registry_url or _local_registry(settings)))) as opened:
        yield opened


def _local_registry(settings: Settings) -> str:
    """The local stack's registry if it runs; nothing is started here."""
    away = OrderflowError("no schema registry: start the local one (orderflow up) or set ORDERFLOW_REGISTRY_URL")
    try:
        from ops.stack import Stack  # noqa: PLC0415 - needs the extra `local`
    except OrderflowError as missing:
        raise away from missing
    for part in Stack(settings).status():
        if part.name == "registry" and part.healthy and part.address is not None:
            return part.address
    raise away
