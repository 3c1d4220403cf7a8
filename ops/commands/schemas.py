"""`orderflow schemas …`: the contract against its releases and against the registry.

What a verb needs is imported when it runs: `orderflow --help` stays quick.
"""
# ruff: noqa: PLC0415

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import AsJson, DryRun, Environment

if TYPE_CHECKING:
    from ops.registration import Standing

app = typer.Typer(no_args_is_help=True, help="The contract: its schemas, its releases, its registry.")


@app.command()
def generate(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 1 if a file is stale.")] = False,
) -> None:
    """Write the Avro schemas, the AsyncAPI document and the catalogue page, from the declarations.

    Run it in the checkout.

    Examples:
        orderflow schemas generate

        orderflow schemas generate --check
    """
    from ops import contract

    stale = contract.stale(Path())
    for path, problem in stale.items():
        typer.echo(f"{path}: {problem}")
    if not check:
        contract.write(Path(), stale)
    elif stale:
        raise contract.StaleError(f"{len(stale)} files are not what schemas/ declares; run: orderflow schemas generate")
    typer.echo(f"{len(stale)} files written" if stale else "every generated file is fresh", err=True)


@app.command()
def check(as_json: AsJson = False) -> None:
    """Compare the contract with every version ever released. Needs no server.

    Examples:
        orderflow schemas check
    """
    from ops import contract

    found = contract.broken()
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
    for each in () if as_json else found:
        typer.echo(str(each))
    if found:
        raise contract.ContractBrokenError(found)
    typer.echo(f"compatible with every release; {len(contract.waiting())} messages wait for the next", err=True)
    for each in contract.unraised():
        typer.echo(f"before that: {each}", err=True)


@app.command()
def release(dry_run: DryRun = False) -> None:
    """Promise the contract of today to the world: from now on `check` holds every change against it.

    Examples:
        orderflow schemas release --dry-run
    """
    from ops import contract

    broken, unraised, moved = contract.broken(), contract.unraised(), contract.waiting()
    for each in (*broken, *unraised):
        typer.echo(str(each), err=True)
    if broken:
        raise contract.ContractBrokenError(broken)
    if unraised:
        raise contract.UnraisedError("not released: each message above needs a raised version")
    if not dry_run:
        contract.release()
    for name, (before, now) in moved.items():
        typer.echo(f"{name}: {before or 'new'} -> {now}")
    typer.echo(_summary(len(moved), "released", dry_run=dry_run))


@app.command()
def register(env: Environment = None, dry_run: DryRun = False) -> None:
    """Put every record's schema into the registry and hold its subject to FULL_TRANSITIVE. Repeating it is harmless.

    Examples:
        orderflow schemas register --env sit --dry-run
    """
    from ops import contract, registration
    from ops.settings import load

    settings = load()
    with contract.registry(settings) as registry:
        act = registration.standings if dry_run else registration.register
        before = act(registry, env or settings.environment)
    changing = [standing for standing in before if not standing.settled]
    _print(changing)
    typer.echo(_summary(len(changing), "registered", dry_run=dry_run))


@app.command()
def diff(env: Environment = None, as_json: AsJson = False) -> None:
    """Compare the contract with the registry, field by field. Words (doc, aliases) don't count.

    Examples:
        orderflow schemas diff --env sit
    """
    from ops import contract, registration
    from ops.settings import load

    settings = load()
    with contract.registry(settings) as registry:
        found = registration.standings(registry, env or settings.environment)
    if as_json:
        typer.echo(json.dumps([asdict(standing) for standing in found], indent=2))
        return
    _print([standing for standing in found if not standing.settled])
    typer.echo(f"{sum(standing.settled for standing in found)} of {len(found)} are the same")


@app.command()
def roundtrip(as_json: AsJson = False) -> None:
    """Send one of each message through a real Kafka and registry, and read them back by a reader that isn't ours.

    Starts what is missing and stops it again. What ran before goes on running. Exits with 1 unless everything came
    back as it was sent. With --json the last line is one object.

    Examples:
        orderflow schemas roundtrip

        orderflow schemas roundtrip --json | tail -n 1 | jq .seconds
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from ops import roundtrip as trip
    from ops.settings import load
    from ops.stack.progress import OnTerminal

    with OnTerminal() as report:
        outcome = trip.run(load(), report, lambda line: typer.echo(line, err=True))
    if as_json:
        typer.echo(json.dumps({**asdict(outcome), "messages": len(outcome.trips), "differing": outcome.differing}))
    else:
        table = Table("message", "topic-partition@offset", "bytes", "back", box=SIMPLE_HEAD)
        for each in outcome.trips:
            place = f"{each.topic}-{each.partition}@{each.offset}"
            table.add_row(each.message, place, str(each.size), "same" if each.same else "[red]DIFFERENT")
        Console().print(table)
        typer.echo(f"{len(outcome.trips) - len(outcome.differing)} came back as sent, in {outcome.seconds} s")
    if outcome.differing:
        raise trip.RoundtripError(f"came back different: {', '.join(outcome.differing)}")


def _print(standings: "list[Standing]") -> None:
    for standing in standings:
        guard = "" if standing.guarded else ", not held to FULL_TRANSITIVE"
        typer.echo(f"{standing.subject}: {standing.state}{guard}")
        for each in standing.differences:
            typer.echo(f"  {each}")
        for each in standing.breaks:
            typer.echo(f"  breaks: {each}")


def _summary(count: int, done: str, *, dry_run: bool) -> str:
    if count == 0:
        return f"nothing to be {done}: all of it is there"
    return f"{count} {'would be ' if dry_run else ''}{done}"
