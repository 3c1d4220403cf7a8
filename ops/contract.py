"""The contract against its releases, and the registry that it is put into."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path

from ops import addresses
from ops.settings import Settings
from schemas import generate, released
from schemas.catalogue import MESSAGES
from schemas.errors import OrderflowError
from schemas.evolution import Break, breaks, unreleased
from streams.confluent import ConfluentRegistry
from streams.registry import ManagedRegistry


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
    with opened(settings.registry_client(addresses.registry(settings))) as found:
        yield found


@contextmanager
def opened(access: dict[str, str]) -> Iterator[ManagedRegistry]:
    with closing(ConfluentRegistry(access)) as registry:
        yield registry


class StaleError(OrderflowError):
    """Generated files are not what the declarations give."""


def stale(root: Path) -> dict[Path, str]:
    """What is wrong with the generated files of the checkout at `root`: path and problem."""
    if not (root / generate.AVRO).is_dir():
        raise StaleError(f"{root.resolve()} is not the checkout: it has no {generate.AVRO}")
    return dict(generate.stale(root, version("orderflow")))


def write(root: Path, stale: Iterable[Path]) -> None:
    """Make them what they should be."""
    texts = generate.texts(version("orderflow"))
    for path in stale:
        if path not in texts:
            (root / path).unlink()
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(texts[path], encoding="utf-8")
