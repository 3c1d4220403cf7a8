"""`orderflow schemas …`: the contract against its releases and against the registry."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from ops import registration
from ops.registration import Standing
from ops.settings import Settings
from schemas import released
from schemas.catalogue import MESSAGES
from schemas.errors import OrderflowError
from schemas.evolution import breaks, unreleased
from schemas.topics import ENVIRONMENT
from streams.registry import ManagedRegistry, RegistryAccess

app = typer.Typer(no_args_is_help=True, help="The contract: its schemas, its releases, its registry.")

AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")]


def _slug(env: str | None) -> str | None:
    if env is not None and not ENVIRONMENT.fullmatch(env):
        raise typer.BadParameter(f"{env!r} is no environment: up to 20 of a-z, 0-9 and hyphens, such as dev, sit, prod")
    return env


Environment = Annotated[
    str | None,
    typer.Option("--env", help="The <env> in every topic name.", show_default="ORDERFLOW_ENVIRONMENT", callback=_slug),
]


class ContractBrokenError(OrderflowError):
    """The contract breaks with what was released."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} breaking {'change' if count == 1 else 'changes'}: readers and records would be lost")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Compare the contract with every version ever released. Needs no server.

    Examples:
        orderflow schemas check
    """
    baseline = released.read(released.DIRECTORY)
    found = breaks(MESSAGES, baseline)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
    for each in () if as_json else found:
        typer.echo(str(each))
    if found:
        raise ContractBrokenError(len(found))
    waiting = len(unreleased(MESSAGES, baseline))
    typer.echo(f"{len(MESSAGES)} messages are compatible with every release, {waiting} wait for theirs", err=True)


@app.command()
def release(dry_run: DryRun = False) -> None:
    """Promise the contract of today to the world: from now on `check` holds every change against it.

    Examples:
        orderflow schemas release --dry-run
    """
    baseline = released.read(released.DIRECTORY)
    if found := breaks(MESSAGES, baseline):
        for each in found:
            typer.echo(str(each), err=True)
        raise ContractBrokenError(len(found))
    moved = unreleased(MESSAGES, baseline)
    if not dry_run:
        released.add(moved.items(), released.DIRECTORY)
    for name, now in moved.items():
        before = baseline[name][-1].version if name in baseline else "new"
        typer.echo(f"{name}: {before} -> {now.version}")
    typer.echo(_summary(len(moved), "released", dry_run=dry_run))


@app.command()
def register(env: Environment = None, dry_run: DryRun = False) -> None:
    """Put every record's schema into the registry and hold its subject to FULL_TRANSITIVE. Repeating it is harmless.

    Examples:
        orderflow schemas register --env sit --dry-run
    """
    settings = Settings()
    with _registry(settings) as registry:
        act = registration.standings if dry_run else registration.register
        before = act(registry, env or settings.environment)
    changing = [standing for standing in before if not standing.settled]
    for standing in changing:
        for line in _standing_lines(standing):
            typer.echo(line)
    typer.echo(_summary(len(changing), "registered", dry_run=dry_run))


@app.command()
def diff(env: Environment = None, as_json: AsJson = False) -> None:
    """Compare the contract with the registry, field by field. Words (doc, aliases) don't count.

    Examples:
        orderflow schemas diff --env sit
    """
    settings = Settings()
    with _registry(settings) as registry:
        found = registration.standings(registry, env or settings.environment)
    if as_json:
        typer.echo(json.dumps([asdict(standing) for standing in found], indent=2))
        return
    for standing in found:
        for line in _standing_lines(standing):
            typer.echo(line)
    typer.echo(f"{sum(standing.settled for standing in found)} of {len(found)} are the same")


@contextmanager
def _registry(settings: Settings) -> Iterator[ManagedRegistry]:
    from streams.confluent import ConfluentRegistry  # noqa: PLC0415 - its client takes a third of a second to import

    with closing(ConfluentRegistry(RegistryAccess(settings.registry_url or _local_registry(settings)))) as registry:
        yield registry


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


def _standing_lines(standing: Standing) -> list[str]:
    if standing.settled:
        return []
    guard = "" if standing.guarded else ", not held to FULL_TRANSITIVE"
    return [
        f"{standing.subject}: {standing.state}{guard}",
        *(f"  {each}" for each in standing.differences),
        *(f"  breaks: {each}" for each in standing.breaks),
    ]


def _summary(count: int, done: str, *, dry_run: bool) -> str:
    if count == 0:
        return f"nothing to be {done}: all of it is there"
    return f"{count} {'would be ' if dry_run else ''}{done}"
