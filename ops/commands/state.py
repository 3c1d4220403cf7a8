"""`orderflow state …`: what workers keep on this machine, and whether it is what it should be."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import AsJson, Environment

if TYPE_CHECKING:
    from ops.rebuild.events import Comparison
    from ops.rebuild.site import Site

app = typer.Typer(no_args_is_help=True, help="The state of services: what workers keep on this machine.")

#: Differences that a person is shown of a partition; --json has more.
MOST_SHOWN = 20


@app.command()
def drop(
    service: Annotated[str, typer.Argument(help="Whose.")],
    partition: Annotated[int | None, typer.Option(min=0, help="This one alone.")] = None,
    env: Environment = None,
) -> None:
    """Remove the local store of a service; the next worker here rebuilds it from the changelog.

    No topic is touched. A store that a worker has open is refused: stop that worker first.

    Examples:
        orderflow state drop orders --partition 3
    """
    from ops.settings import load  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.worker.surroundings import rocks_stores  # noqa: PLC0415
    from streams.kafka.topics import group_of  # noqa: PLC0415

    settings = load()
    stores, group = rocks_stores(settings.data_dir), group_of(service, env or settings.environment)
    dropped = [each for each in stores.kept(group) if partition in (None, each)]
    for each in dropped:
        stores.open(group, each).destroy()
        typer.echo(f"- {group}[{each}]")
    typer.echo(f"{len(dropped)} local stores of {group} removed from {settings.data_dir}", err=True)


@app.command()
def rebuild(
    service: Annotated[str, typer.Argument(help="Whose.")],
    partition: Annotated[
        int | None, typer.Option(min=0, help="This one alone.", show_default="those kept here, else all")
    ] = None,
    from_events: Annotated[
        bool, typer.Option("--from-events", help="Fold its inputs instead, compare, and change nothing.")
    ] = False,
    app: Annotated[
        str | None, typer.Option(metavar="MODULE:ATTRIBUTE", help="A service of your own, not the catalogue's.")
    ] = None,
    env: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Fill the local store of a service anew from its changelog, and say what it has. No worker of it may run.

    With --from-events nothing local is touched: all that the service has read is folded again, with no output and no
    effect, and compared with its changelog, key by key. Exits with 1 where they differ; each difference says what
    can't be known any more and may be why. docs/replay.md says what can't be reproduced.

    Examples:
        orderflow state rebuild orders

        orderflow state rebuild payments --from-events --partition 2 --json
    """
    from ops import addresses  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.reading import opened  # noqa: PLC0415
    from ops.rebuild.site import Site  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from ops.worker.services import chosen, offered  # noqa: PLC0415

    settings = load()
    (hosted,) = chosen([service], offered(app, settings), every=False)
    environment = env or settings.environment
    client = settings.kafka_client(addresses.kafka(settings))
    with opened(settings, environment) as (reader, codec):
        site = Site(hosted.service, environment, client, reader=reader, codec=codec)
        if from_events:
            _compare(site, partition, as_json=as_json)
        else:
            _refill(site, partition, as_json=as_json)


def _refill(site: "Site", partition: int | None, *, as_json: bool) -> None:
    from ops.commands.telling import counting  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.rebuild.refill import refill  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from ops.worker.surroundings import rocks_stores  # noqa: PLC0415

    stores = rocks_stores(load().data_dir)
    numbers = site.numbers(partition)
    if partition is None:
        numbers = stores.kept(site.group) or numbers
    for number in numbers:
        with counting() as progress:
            has = refill(site, stores, number, progress)
        if as_json:
            typer.echo(json.dumps(has._asdict()))
            continue
        typer.echo(
            f"{site.group}[{number}]: {has.keys} keys after {has.records} records of its changelog; {has.due} wait for "
            f"a time, {has.pending} for the outside, {has.parked} behind a message; {has.owed} outputs are owed, "
            f"{has.foreign} keys to be written again"
        )


def _compare(site: "Site", partition: int | None, *, as_json: bool) -> None:
    from ops.commands.telling import counting  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.rebuild.events import compare, tables_of  # noqa: PLC0415
    from ops.rebuild.site import RebuildError  # noqa: PLC0415

    numbers, tables = site.numbers(partition), tables_of(site)
    unsound = 0
    for number in numbers:
        with counting() as progress:
            found = compare(site, number, tables, progress)
        unsound += not found.sound
        if as_json:
            told = {"group": site.group, "sound": found.sound, **found._asdict()}
            typer.echo(json.dumps(told | {"differences": [each._asdict() for each in found.differences]}))
        else:
            _tell(site.group, found)
    if unsound:
        raise RebuildError(f"{unsound} of {len(numbers)} partitions of {site.group} are not what their inputs give")


def _tell(group: str, found: "Comparison") -> None:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(found.counts.items())) or "no keys"
    typer.echo(f"{group}[{found.partition}]: {counts}; {found.records} records")
    for limit in found.limits:
        typer.echo(f"  {limit}")
    worst = [each for each in found.differences if each.verdict != "reordered"]
    for each in worst[:MOST_SHOWN]:
        typer.echo(f"! {each.key} {each.verdict}, {each.field}")
        for doubt in each.doubts or ("nothing of its history is in doubt: code decides otherwise than it did",):
            typer.echo(f"    {doubt}")
    if len(worst) > MOST_SHOWN:
        typer.echo("  and more; --json tells of up to a thousand")
