"""`orderflow api`: the HTTP API at work in this process, and who may use it."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import AsJson, Environment

if TYPE_CHECKING:
    from psycopg import Connection

app = typer.Typer()
keys = typer.Typer(no_args_is_help=True, help="Who may use the HTTP API.")
app.add_typer(keys, name="keys")


@app.callback(invoke_without_command=True)
def api(context: typer.Context) -> None:
    """Serve the HTTP API until told to stop: commands into the pipeline, queries on the Order Database.

    It listens on ORDERFLOW_API_HOST:ORDERFLOW_API_PORT, by default on this machine alone. The Order Database has to be
    set up (`orderflow database migrate`); Kafka, registry and database may go away and come back meanwhile.
    SIGTERM or Ctrl-C lets requests under way come to their end, within ORDERFLOW_DRAIN_SECONDS.

    Examples:
        orderflow api

        ORDERFLOW_API_PORT=0 orderflow api

        ORDERFLOW_ENVIRONMENT=dev ORDERFLOW_API_KEYS=off orderflow api

        orderflow api keys create shop --scope read --scope write
    """
    if context.invoked_subcommand is not None:
        return
    # The help of all verbs stays quick.
    from ops import addresses, serving  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from ops.worker import logs  # noqa: PLC0415
    from projections.api.app import Site  # noqa: PLC0415

    settings = load()
    logs.configure(settings)
    site = Site(
        environment=settings.environment,
        dsn=addresses.postgres(settings, settings.environment),
        kafka=settings.kafka_client(addresses.kafka(settings)),
        registry=settings.registry_client(addresses.registry(settings)),
        asks_for_keys=settings.api_keys == "required",
    )
    serving.serve(site, settings)


@keys.command()
def create(
    client: Annotated[str, typer.Argument(help="Whose it is: a program or a team, such as shop.")],
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="read|write|operate", help="May be given several times.")
    ],
    env: Environment = None,
) -> None:
    """Make a key and print it, once: only its hash is kept.

    A client may have several. Its Idempotency-Keys are the client's, so they outlive a change of key.

    Examples:
        orderflow api keys create shop --scope read --scope write

        orderflow api keys create console --scope operate --env prod
    """
    from projections.api.keys import Scope, mint  # noqa: PLC0415 - the help of all verbs stays quick

    unknown = sorted(set(scope) - set(Scope))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: say {', '.join(Scope)}", param_hint="--scope")
    with _database(env) as connection:
        typer.echo(mint(connection, client, [Scope(each) for each in scope]))
    typer.echo(f"keep it safe, it can't be shown again; {client} sends: Authorization: Bearer <key>", err=True)


@keys.command(name="list")
def list_(env: Environment = None, as_json: AsJson = False) -> None:
    """Show all keys, those that were revoked, too; never the keys themselves.

    Examples:
        orderflow api keys list --json
    """
    from ops.commands.telling import print_table  # noqa: PLC0415 - the help of all verbs stays quick
    from projections.api.keys import known  # noqa: PLC0415

    with _database(env) as connection:
        found = known(connection)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2, default=datetime.isoformat))
        return
    print_table(
        ("key id", "client", "scopes", "made", "revoked"),
        [
            (
                each.key_id,
                each.client,
                " ".join(each.scopes),
                f"{each.created_at:%Y-%m-%d %H:%M}",
                f"{each.revoked_at:%Y-%m-%d %H:%M}" if each.revoked_at else "",
            )
            for each in found
        ],
    )


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `orderflow api keys list` shows it.")], env: Environment = None
) -> None:
    """Let a key be good for nothing, from the next request on. Repeating it is harmless.

    Examples:
        orderflow api keys revoke 3f9c0a51d2e4
    """
    from projections.api import keys as kept  # noqa: PLC0415 - the help of all verbs stays quick

    with _database(env) as connection:
        kept.revoke(connection, key_id)
    typer.echo(f"key {key_id} is good for nothing now", err=True)


def _database(env: str | None) -> "Connection":
    from ops import addresses  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.settings import load  # noqa: PLC0415
    from projections import database  # noqa: PLC0415

    settings = load()
    return database.opened(addresses.postgres(settings, env or settings.environment))
