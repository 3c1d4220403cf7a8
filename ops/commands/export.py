"""`orderflow export`: events as files, for analytics."""

import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from ops.commands.options import AsJson, Environment


def export(
    to: Annotated[Path, typer.Option("--to", help="A directory of this export alone; made if it is missing.")],
    topics: Annotated[
        list[str] | None,
        typer.Option("--topic", help="Such as orders.events; repeat it. All topics of events by default."),
    ] = None,
    file_format: Annotated[Literal["parquet"], typer.Option("--format", help="Of the files.")] = "parquet",
    env: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Write what is new on the topics into files, each record exactly once. Run it as often as you like.

    A table for each type of message, `<topic>/<message>/day=<day>/<round>.parquet`, with flat, typed columns. Whatever
    kills it, it goes on where its last manifest ends. docs/analytics.md shows what to ask of the files.

    Examples:
        orderflow export --to lake

        orderflow export --to lake --topic orders.events --topic payments.events --json
    """
    from ops import reading  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.commands.telling import counting  # noqa: PLC0415
    from ops.export.errors import MissingExtraError  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from schemas.topics import TOPICS  # noqa: PLC0415

    if find_spec("pyarrow") is None:
        raise MissingExtraError(f"no pyarrow to write {file_format} with: pip install 'orderflow[analytics]'")
    from ops.export.manifest import taken  # noqa: PLC0415
    from ops.export.run import export as run  # noqa: PLC0415

    known = {f"{topic.domain}.{topic.channel}": topic for topic in TOPICS}
    if strangers := sorted(set(topics or ()) - set(known)):
        raise typer.BadParameter(f"{', '.join(strangers)}: no topic of the contract; there are {', '.join(known)}")
    settings = load()
    environment = env or settings.environment
    wanted = topics or [name for name, topic in known.items() if topic.channel == "events"]
    names = {known[name].name(environment): name for name in wanted}
    with reading.opened(settings, environment) as (reader, _), taken(to) as shelf, counting() as progress:
        done = run(reader, shelf, names, progress)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    if done.lost:
        typer.echo(
            f"! {done.lost} records had left their topics before they were exported: export more often", err=True
        )
    left = f", {done.unreadable} of them unreadable" if done.unreadable else ""
    typer.echo(f"{done.records} records{left}, in {done.files} new files", err=True)
