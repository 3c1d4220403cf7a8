"""`orderflow demo`: the whole of it, before your eyes."""

import json
from dataclasses import asdict

import typer

from ops.commands.options import AsJson


def demo(as_json: AsJson = False) -> None:
    """Send one of each message through a real Kafka and registry, and read them back by a reader that isn't ours.

    Starts what is missing and stops it again. What ran before goes on running. Exits with 1 unless everything came
    back as it was sent. With --json the last line is one object.

    Examples:
        orderflow demo

        orderflow demo --json | tail -n 1 | jq .seconds
    """
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - the help of all verbs stays quick
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from ops import demo as show  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from ops.stack.progress import OnTerminal  # noqa: PLC0415

    with OnTerminal() as report:
        outcome = show.run(load(), report, lambda line: typer.echo(line, err=True))
    if as_json:
        typer.echo(json.dumps({**asdict(outcome), "messages": len(outcome.trips), "differing": outcome.differing}))
    else:
        table = Table("message", "topic-partition@offset", "bytes", "back", box=SIMPLE_HEAD)
        for trip in outcome.trips:
            place = f"{trip.topic}-{trip.partition}@{trip.offset}"
            table.add_row(trip.message, place, str(trip.size), "same" if trip.same else "[red]DIFFERENT")
        Console().print(table)
        typer.echo(f"{len(outcome.trips) - len(outcome.differing)} came back as sent, in {outcome.seconds} s")
    if outcome.differing:
        raise show.DemoError(f"came back different: {', '.join(outcome.differing)}")
