"""`orderflow database …`: the schemas of the Order Database."""

import json
from typing import Annotated

import typer

from ops.commands.options import AsJson, Environment

app = typer.Typer(no_args_is_help=True, help="The Order Database and its schemas.")


@app.command()
def migrate(
    post: Annotated[
        bool, typer.Option("--post", help="Also what takes away: only when no older worker runs any more.")
    ] = False,
    env: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Bring the schema of every read model up to this version. Repeating it is harmless.

    Run it before new code is deployed; it only adds. Once the old code is gone, run it with --post. The database of the
    local stack is made if it is missing; one that ORDERFLOW_POSTGRES_DSN names has to be there.

    Examples:
        orderflow database migrate

        orderflow database migrate --post --env prod
    """
    from ops import addresses  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.settings import load  # noqa: PLC0415
    from projections import database, migrations  # noqa: PLC0415

    settings = load()
    schemas = migrations.schemas()
    dsn = addresses.postgres(settings, env or settings.environment)
    if settings.postgres_dsn is None:
        database.create(dsn)
    done = []
    with database.opened(dsn) as connection:
        for schema in schemas:
            applied = migrations.migrate(connection, schema, migrations.of(schema), post=post)
            done += [{"schema": schema, "name": each.name} for each in applied]
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    for each in () if as_json else done:
        typer.echo(f"+ {each['schema']}: {each['name']}")
    typer.echo(f"{len(schemas)} schemas, {len(done)} files applied", err=True)


@app.command()
def status(env: Environment = None, as_json: AsJson = False) -> None:
    """Which migrations are applied, pending, changed, or unknown to this version.

    Examples:
        orderflow database status --json
    """
    from ops import addresses  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.commands.telling import print_table  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from projections import database, migrations  # noqa: PLC0415

    settings = load()
    with database.opened(addresses.postgres(settings, env or settings.environment)) as connection:
        found = [
            (schema, each)
            for schema in migrations.schemas()
            for each in migrations.standing(connection, schema, migrations.of(schema))
        ]
    rows = [
        {
            "schema": schema,
            "name": each.name,
            "state": each.state,
            "applied_at": each.applied_at.isoformat() if each.applied_at else None,
        }
        for schema, each in found
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        print_table(tuple(rows[0]), [[value or "" for value in row.values()] for row in rows])
