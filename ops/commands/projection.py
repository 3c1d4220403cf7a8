"""`orderflow projection …`: the read models of the Order Database."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import AsJson, Environment

if TYPE_CHECKING:
    from projections.rebuild.compare import Difference as Rebuilt
    from projections.rebuild.run import Report
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


@app.command()
def rebuild(
    model: Annotated[str, typer.Argument(help="Which read model.")],
    accept_differences: Annotated[
        bool, typer.Option("--accept-differences", help="Swap also where rows are others than before.")
    ] = False,
    env: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Make a read model anew from its topics, beside the one that serves, compare the two, and swap them.

    Readers and the projector go on meanwhile. Each row that differs is named, and stops the swap unless it is accepted;
    what was rebuilt stays then, and the next run goes on from it. So it does after whatever ended a run. The model that
    served before is kept: `orderflow projection rollback` brings it back.

    Examples:
        orderflow projection rebuild orders

        orderflow projection rebuild orders --accept-differences --json | jq .held_ms
    """
    from ops import rebuilding  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.commands.telling import counting  # noqa: PLC0415
    from ops.projecting import chosen  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from projections.rebuild.run import rebuild as run_rebuild  # noqa: PLC0415
    from projections.verify import DifferenceError  # noqa: PLC0415

    settings = load()
    [projection] = chosen([model])
    site = rebuilding.site(settings, env or settings.environment, projection.model.name)
    with counting() as progress:
        report = run_rebuild(
            site, progress, lambda line: typer.echo(line, err=True), accept_differences=accept_differences
        )
    typer.echo(json.dumps(asdict(report), indent=2)) if as_json else _print_report(report)
    if not report.swapped:
        raise DifferenceError(
            f"{report.differing} rows of {model} are not what their events make of them; not swapped. If the rebuilt "
            f"ones are right: orderflow projection rebuild {model} --accept-differences"
        )


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(help="Which read model.")],
    env: Environment = None,
) -> None:
    """Bring back what served before the last rebuild, or before the last rollback; the projector catches it up.

    Until it has, readers see that model as it was when it was put aside.

    Examples:
        orderflow projection rollback orders
    """
    from ops import rebuilding  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.projecting import chosen  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from projections.rebuild import swap  # noqa: PLC0415

    settings = load()
    [projection] = chosen([model])
    held = swap.rollback(rebuilding.site(settings, env or settings.environment, projection.model.name))
    typer.echo(f"{model}: what served before is back; the projector waited {held * 1_000:.0f} ms", err=True)


def _print_report(report: "Report") -> None:
    for difference in report.differences:
        _print_rebuilt(report.model, difference)
    if (unshown := report.differing - len(report.differences)) > 0:
        typer.echo(f"… and {unshown} more rows of {report.model} differ")
    for refusal in report.refusals.first:
        typer.echo(f"! {refusal}: left out")
    ended = f"swapped; the projector waited {report.held_ms:.0f} ms" if report.swapped else "not swapped"
    typer.echo(
        f"{report.model}: {report.rows} rows of {report.records} records, {report.differing} differ, "
        f"{report.refusals.count} records left out, {ended} ({report.seconds['all']} s)",
        err=True,
    )


def _print_rebuilt(model: str, difference: "Rebuilt") -> None:
    what = "is not in the rebuilt one" if difference.only_live else "is new" if difference.only_rebuilt else "differs"
    typer.echo(f"{model}.{difference.table} {' '.join(difference.key)} {what}")
    for column, (live, rebuilt) in difference.columns.items():
        typer.echo(f"  {column} is {live!r}, rebuilt {rebuilt!r}")


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
            f"come back with: orderflow projection rebuild {verdict.model} (docs/order-database.md)"
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
