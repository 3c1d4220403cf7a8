"""`orderflow replay`: records published again, marked; or a group that reads again."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import AsJson, DryRun, Environment

if TYPE_CHECKING:
    from ops.replay.audit import Plan


def replay(  # noqa: PLR0913, PLR0917 - each is an option
    topic: Annotated[str | None, typer.Argument(metavar="TOPIC", help="Its full name: orders.dev.events.")] = None,
    begin: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            help="A time (ISO, UTC unless it says otherwise), an offset of all partitions, or PARTITION:OFFSET of that "
            "one alone, which may be given several times.",
            show_default="the beginning",
        ),
    ] = None,
    end: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="PLACE", help="The same; what lies there is left out.", show_default="the end now"
        ),
    ] = None,
    key: Annotated[list[str] | None, typer.Option(help="Records of this key; of any of them, if several.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="A field of the message, = != < <= > or >=, and a value: type=OrderCancelled, total>1000, "
            "items.quantity>=3. Several must all hold.",
        ),
    ] = None,
    to_topic: Annotated[str | None, typer.Option(metavar="NAME", show_default="the same topic")] = None,
    to_group: Annotated[
        str | None, typer.Option(metavar="GROUP", help="Copy nothing: let this group, which must be empty, read again.")
    ] = None,
    to_file: Annotated[str | None, typer.Option(metavar="FILE", help="A new file of JSON lines.")] = None,
    rate: Annotated[int | None, typer.Option(min=1, help="Copies a second, at most.")] = None,
    copies: Annotated[bool, typer.Option("--copies", help="Copy what an earlier replay copied there, too.")] = False,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Go on with a run that was cut short.")] = None,
    dry_run: DryRun = False,
    env: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Publish records of a topic again, as they are, with a mark that says where they come from.

    No service decides on a marked record, in no environment: it was decided on. Read models take it for a repeat where
    it comes from the topic that they read, else as news. The end is fixed at the start. Each run is told of in
    replays.<env>.audit, and can be gone on with after whatever ended it; what it repeats then is marked as well.

    Exits with 1 where it did not come to its end, and says how to go on.

    Examples:
        orderflow replay orders.dev.events --from 2026-11-20T08:00 --where type=OrderCancelled --dry-run

        orderflow replay orders.prod.events --to-topic orders.sit.events --rate 2000

        orderflow replay orders.dev.events --from 0:1200 --from 1:1180 --to-group billing

        orderflow replay --resume 0b0c6a0e-93a5-5a8f-8a0e-1d2c3b4a5968
    """
    from ops import addresses  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.commands.telling import counting  # noqa: PLC0415
    from ops.reading import opened  # noqa: PLC0415
    from ops.replay import asking  # noqa: PLC0415
    from ops.replay.run import Places, Replay  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415

    settings = load()
    environment = env or settings.environment
    client = settings.kafka_client(addresses.kafka(settings))
    wish = asking.Wish(topic, tuple(begin or ()), tuple(end or ()), tuple(key or ()), tuple(where or ()), copies=copies)
    targets = asking.Targets(to_topic, to_group, to_file)
    with opened(settings, environment) as (reader, codec):
        places = Places(client, environment, reader, codec)
        run, asked, left = asking.resolved(places, wish, targets, resume)
        if asked.to == "group":
            asking.check_plain(rate=rate, resumed=left is not None)
            back = asking.regroup(places, run, asked, dry_run=dry_run)
            _tell_of_group(asked, back, as_json=as_json)
            return
        running = Replay(places, run, asked, rate=rate, left=left)
        with counting() as progress:
            if dry_run:
                counts = running.dry(progress)
            else:
                typer.echo(f"run {run}", err=True)
                counts = running.go(progress)
    if as_json:
        typer.echo(json.dumps({"run": None if dry_run else run, **asking.summary(asked, counts)}))
        return
    would = "would be " if dry_run else ""
    typer.echo(f"{counts.copied} of {counts.read} records {would}copied from {asked.topic} to {asked.name}")
    for count, why in asking.left_out(counts):
        typer.echo(f"  {count} left out: {why}")


def _tell_of_group(asked: "Plan", back: "dict[int, tuple[int, int]]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"group": asked.name, "topic": asked.topic, "offsets": back}))
        return
    for number, (was, becomes) in back.items():
        typer.echo(f"~ {asked.topic}[{number}]: {was} -> {becomes}")
