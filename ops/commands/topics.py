"""`orderflow topics …`: the declared topics against the cluster."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ops.commands.options import AsJson, DryRun, Environment
from schemas.errors import OrderflowError

app = typer.Typer(no_args_is_help=True, help="The declared topics on a cluster.")


class RefusedError(OrderflowError):
    """Some differences are not for this command to settle."""


@app.command()
def sync(
    env: Environment = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    allow_shorter_retention: Annotated[
        bool, typer.Option("--allow-shorter-retention", help="Even where it deletes records.")
    ] = False,
) -> None:
    """Create missing topics and alter settings, to be as declared. Repeating it is harmless.

    Partition counts are never changed: keys would move away from their state. Each difference is a line:
    + created, ~ altered, ! refused (exit code 1, the rest is done).

    Examples:
        orderflow topics sync --dry-run

        orderflow topics sync --env sit
    """
    from ops import addresses  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.settings import load  # noqa: PLC0415
    from streams.topics import TopicAdmin, plan  # noqa: PLC0415

    settings = load()
    admin = TopicAdmin(settings.kafka_client(addresses.kafka(settings)))
    declared = admin.declared(env or settings.environment)
    found = admin.find([topic.name for topic in declared])
    changes = plan(declared, found, allow_shorter_retention=allow_shorter_retention)
    if not dry_run:
        admin.apply(changes, declared)
    if as_json:
        typer.echo(json.dumps([asdict(change) for change in changes], indent=2))
    for change in () if as_json else changes:
        typer.echo(str(change))
    refused = sum(change.action == "refuse" for change in changes)
    done = "would change" if dry_run else "changed"
    typer.echo(f"{len(declared)} topics declared, {len(changes) - refused} {done}, {refused} refused", err=True)
    if refused:
        raise RefusedError(f"{refused} of the differences refused; each says why, and what to do")
