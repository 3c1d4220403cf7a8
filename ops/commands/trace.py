"""`orderflow trace`: what happened to one order."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ops.commands.options import AsJson, Environment


def trace(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID", help="Its checkout and its payment have the same id.")],
    env: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Show all that was said of one order, on all topics, in its order: when, where, what, because of what.

    It reads Kafka itself, and of every topic only the partition where the order lies; how far it is shows on stderr. A
    record that a service could not decide shows as a dead letter. Exits with 1 if nobody has ever heard of the order.

    Examples:
        orderflow trace 5f0c1c3e-6d0c-5b6e-9d0a-3c7b1d2e4f60

        orderflow trace 5f0c1c3e-6d0c-5b6e-9d0a-3c7b1d2e4f60 --env sit --json | jq '.[].message'
    """
    from ops import story  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.commands.telling import clock, counting, print_table  # noqa: PLC0415
    from ops.reading import opened  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415

    settings = load()
    environment = env or settings.environment
    with opened(settings, environment) as (reader, _), counting() as progress:
        found = story.trace(reader, environment, order_id, progress)
    teller = story.Teller()
    lines = [teller.line(each) for each in found]
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], indent=2))
        return
    print_table(
        ("", "time", "message", "because of", "what it says", "what became of it", "where"),
        (
            (f"#{line.number}", clock(line.at), line.message, line.cause, line.words, line.change, line.place)
            for line in lines
        ),
    )
