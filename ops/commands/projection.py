"""`orderflow projection …`: the read models of the Order Database."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import AsJson, Environment

if TYPE_CHECKING:
    from projections.verify import Difference, Verdict

app = typer.Typer(no_args_is_help=True, help="The read models of the Order Database.")


@app.command()
def run(
    models: Annotated[list[str] | None, typer.Argument(help="Which read models; all of them by default.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for a broker, registry or database that is away, up to ten minutes.")
    ] = False,
) -> None:
    """Fill read models from their topics until told to stop. Start as many as you like: they share the partitions.

    Before it starts anything it looks whether broker, registry and database are as the read models need them, and makes
    the topics of dead letters. SIGTERM or Ctrl-C drains, a second one ends at once; both are safe. Logs go to stderr;
    health and metrics are on HTTP (ORDERFLOW_HTTP_PORT).

    Exits with 0 after a drain, with 1 and a line that says why when it can't go on.

    Examples:
        orderflow projection run

        orderflow projection run orders payments --wait
    """
    # The help of all verbs stays quick.
    from ops import addresses  # noqa: PLC0415
    from ops.projecting import Projecting, chosen  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from ops.worker import logs, process  # noqa: PLC0415
    from ops.worker.run import WAIT_SECONDS  # noqa: PLC0415
    from ops.worker.surroundings import Surroundings  # noqa: PLC0415

    settings = load()
    wanted = chosen(models or ())
    logs.configure(settings)
    surroundings = Surroundings(
        settings,
        kafka=settings.kafka_client(addresses.kafka(settings)),
        registry=settings.registry_client(addresses.registry(settings)),
    )
    projecting = Projecting(wanted, surroundings, addresses.postgres(settings, settings.environment))
    process.host(
        wanted,
        surroundings,
        projecting.engine,
        check=projecting.check,
        wait_seconds=WAIT_SECONDS if wait else 0,
    )


@app.command()
def verify(
    models: Annotated[list[str] | None, typer.Argument(help="Which read models; all of them by default.")] = None,
    env: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Fold the events once more, independently, and compare the result with the tables, row by row.

    Rows and offsets are read in one snapshot, the topics up to exactly those offsets: the projector may go on running.
    Each row that differs is printed with the events that it should have heard; a dead letter that could be applied now
    is one of them. Exits with 1 if there is one.

    Examples:
        orderflow projection verify

        orderflow projection verify orders payments --json | jq '.[].differing'
    """
    from ops import addresses, reading, verification  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.commands.telling import counting  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from projections import database  # noqa: PLC0415
    from projections.folds.catalogue import MODELS  # noqa: PLC0415
    from projections.verify import DifferenceError, verify  # noqa: PLC0415

    if strangers := sorted(set(models or ()) - set(MODELS)):
        raise typer.BadParameter(f"{', '.join(strangers)}: no read model; there are {', '.join(MODELS)}")
    settings = load()
    environment = env or settings.environment
    verdicts = []
    with reading.opened(settings, environment) as (reader, _):
        for name in models or MODELS:
            dsn = addresses.postgres(settings, environment)
            with database.opened(dsn) as connection, counting() as progress:
                opening = verification.opening(reader, name, environment, progress)
                verdicts.append(verify(connection, MODELS[name], opening))
    if as_json:
        typer.echo(json.dumps([asdict(verdict) for verdict in verdicts], indent=2, default=str))
    for verdict in () if as_json else verdicts:
        _print(verdict)
    if differing := sum(verdict.differing for verdict in verdicts):
        raise DifferenceError(f"{differing} rows are not what their events make of them")


def _print(verdict: "Verdict") -> None:
    for difference in verdict.differences:
        _print_difference(verdict.model, difference)
    if (unexplained := verdict.differing - len(verdict.differences)) > 0:
        typer.echo(f"… and {unexplained} more rows of {verdict.model} differ")
    for place in verdict.misplaced:
        typer.echo(f"! {place}: its key is not the one that its message names; left out")
    if verdict.refused:
        first = ", ".join(verdict.refused[:5])
        typer.echo(
            f"! {len(verdict.refused)} dead letters could be applied now, and rows lack what they say: {first}; they "
            f"come back when the read model {verdict.model} is filled anew (docs/order-database.md)"
        )
    left_out = {
        "dead letters": verdict.dead_letters,
        "unreadable records": verdict.undecodable,
        "rows older than their topic": verdict.older,
    }
    said = "".join(f"; {count} {what} left out" for what, count in left_out.items() if count)
    typer.echo(
        f"{verdict.model}: {verdict.rows} rows against {verdict.records} records, {verdict.differing} differ"
        f"{said} ({verdict.seconds} s)",
        err=True,
    )


def _print_difference(model: str, difference: "Difference") -> None:
    what = "is missing" if difference.missing else "is there without any event" if difference.surplus else "differs"
    typer.echo(f"{model}.{difference.table} {' '.join(map(str, difference.key))} {what}")
    if difference.behind is not None:
        typer.echo(f"  as it was before {difference.behind}")
    for column, (should, holds) in () if difference.missing or difference.surplus else difference.columns.items():
        since = f" since {difference.since[column]}" if column in difference.since else ""
        typer.echo(f"  {column} is {holds!r}, should be {should!r}{since}")
    if difference.events:
        typer.echo(f"  said last: {', '.join(map(str, difference.events))}")
