"""`orderflow simulate`: the whole pipeline in memory, thousands of times, with everything that may go wrong."""

import json
import secrets
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from ops.commands.options import AsJson
from schemas.errors import OrderflowError

if TYPE_CHECKING:  # the help of all verbs stays quick
    from ops.simulation.simulation import Finding, Tally
    from ops.simulation.trial import Fault

#: Of violations, and of lines of a trace.
_MOST_VIOLATIONS, _MOST_LINES = 10, 200
_SEEDS = 2**31


class BrokenError(OrderflowError):
    """The audit found something."""


def simulate(
    sagas: Annotated[int, typer.Option(min=1, help="How many customers; most of them start one saga.")] = 1_000,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed, the same course. Default: any.")] = None,
    faults: Annotated[
        str,
        typer.Option(
            help="all, none, or some of: crash, takeover, compaction, duplicate, cancel, poison, timeout, outage"
        ),
    ] = "all",
    only: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="Of the customers these alone: 3,17. For a trial that failed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the real services in memory, under a virtual clock, and audit all that they said and all money that moved.

    Customers, gateway, faults and who runs next come from the seed. Where a rule is broken this exits with 1, after it
    has sought the fewest customers and faults that still break it: it shows what became of them, and the command that
    runs them again. docs/simulation.md says more.

    Examples:
        orderflow simulate

        orderflow simulate --sagas 100000 --seed 1 --json

        orderflow simulate --seed 7 --faults crash,takeover
    """
    from ops.simulation.services import catalogue  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.simulation.simulation import simulate as run  # noqa: PLC0415
    from ops.simulation.trial import Trial  # noqa: PLC0415

    trial = Trial(secrets.randbelow(_SEEDS) if seed is None else seed, sagas, _faults(faults), _numbers(only, sagas))
    with _Progress(sagas) if sys.stderr.isatty() else nullcontext() as bar:
        tally, finding = run(trial, catalogue(), bar.show if bar else lambda _: None)
    if as_json:
        typer.echo(json.dumps(_as_json(trial.seed, tally, finding)))
    else:
        _say(trial.seed, tally)
    if finding is not None:
        _explain(finding)
        raise BrokenError(f"{len(finding.violations)} violations; run them again: {finding.trial.command}")


def _faults(text: str) -> "frozenset[Fault]":
    from ops.simulation.trial import Fault  # noqa: PLC0415

    if text in ("all", "none"):
        return frozenset(Fault) if text == "all" else frozenset()
    names = text.split(",")
    if strange := [name for name in names if name not in list(Fault)]:
        raise typer.BadParameter(f"{', '.join(strange)}: not among {', '.join(Fault)}", param_hint="'--faults'")
    return frozenset(map(Fault, names))


def _numbers(text: str | None, sagas: int) -> tuple[int, ...] | None:
    if text is None:
        return None
    numbers = text.split(",")
    if not all(number.isdecimal() and int(number) < sagas for number in numbers):
        raise typer.BadParameter(f"{text!r} must be numbers below {sagas}, such as 3,17", param_hint="'--only'")
    return tuple(sorted(set(map(int, numbers))))


def _as_json(seed: int, tally: "Tally", finding: "Finding | None") -> dict[str, Any]:
    found = finding.violations if finding else ()
    return {
        "seed": seed,
        "sagas": tally.sagas,
        "sagas_per_s": tally.sagas_per_s,
        "customers": tally.customers,
        "outcomes": dict(sorted(tally.outcomes.items())),
        "befell": dict(sorted(tally.befell.items())),
        "published": tally.published,
        "dead_letters": tally.dead_letters,
        "violations": len(found),
        "found": [{"rule": each.rule, "key": each.key, "text": each.text} for each in found[:_MOST_VIOLATIONS]],
        "again": finding.trial.command if finding else None,
        "smallest": finding.smallest.command if finding else None,
    }


def _say(seed: int, tally: "Tally") -> None:
    for outcome, count in tally.outcomes.most_common():
        typer.echo(f"{count:>8}  {outcome}")
    befell = ", ".join(f"{count} times {fault}" for fault, count in sorted(tally.befell.items())) or "nothing"
    typer.echo(
        f"{tally.sagas} sagas of {tally.customers} customers, {tally.sagas_per_s} a second; {tally.published} records, "
        f"{tally.dead_letters} dead letters; befell: {befell}; seed {seed}"
    )


def _explain(finding: "Finding") -> None:
    for violation in finding.violations[:_MOST_VIOLATIONS]:
        typer.echo(f"VIOLATION {violation.rule}: {violation.key}: {violation.text}", err=True)
    typer.echo("the smallest that breaks the first of them:", err=True)
    for line in finding.trace[:_MOST_LINES]:
        typer.echo(f"  {line}", err=True)
    typer.echo(f"run the smallest again: {finding.smallest.command}", err=True)


class _Progress:
    """How far it has come, on a terminal."""

    def __init__(self, sagas: int) -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("customers", total=sagas)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, tally: "Tally") -> None:
        self._bar.update(self._task, completed=tally.customers, description=f"{tally.sagas_per_s} sagas a second")
