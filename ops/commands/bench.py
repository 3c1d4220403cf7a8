"""`orderflow bench`: what it costs."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ops.commands.options import AsJson

app = typer.Typer(no_args_is_help=True, help="What the pipeline costs, measured on the real parts.")


@app.callback()
def bench() -> None:
    """Typer makes a group of a single command only where it has a callback."""


@app.command()
def saga(
    carts: Annotated[int, typer.Option(min=100, help="Carts that lie there before the workers start.")] = 20_000,
    rate: Annotated[
        list[int], typer.Option(min=1, help="Checkouts a second, of a steady load. May be given several times.")
    ] = [50, 100, 200],  # noqa: B006 - typer copies it
    seconds: Annotated[float, typer.Option(min=1, help="How long each steady load takes.")] = 20,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with all services.")] = 1,
    store: Annotated[str, typer.Option(help="Where state is kept: rocksdb or memory.")] = "rocksdb",
    as_json: AsJson = False,
) -> None:
    """A whole checkout: how many a second, what each costs, and how long it takes at a steady rate.

    Starts what is missing and stops it again. Topics of the environment "bench" are removed first. With --json the
    last line is one object.

    Examples:
        orderflow bench saga

        orderflow bench saga --carts 5000 --rate 100 --json | tail -n 1 | jq .cpu_ms_per_saga
    """
    from ops.bench.saga import Wish, run  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.settings import load  # noqa: PLC0415
    from ops.stack.progress import OnTerminal  # noqa: PLC0415

    wish = Wish(carts, rate, seconds, workers, store)
    with OnTerminal() as report:
        figures = run(load(), report, lambda line: typer.echo(line, err=True), wish)
    typer.echo(json.dumps(asdict(figures)) if as_json else _text(asdict(figures)))


@app.command()
def projection(
    events: Annotated[int, typer.Option(min=1_000, help="That lie there before the projector starts.")] = 300_000,
    as_json: AsJson = False,
) -> None:
    """The read model of orders: how many events and rows a second, and how that is to a bare COPY of the same rows.

    Starts what is missing and stops it again. Topics and database of the environment "bench" are removed first. With
    --json the last line is one object.

    Examples:
        orderflow bench projection

        orderflow bench projection --json | tail -n 1 | jq .events_per_s
    """
    from ops.bench.projection import run  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.settings import load  # noqa: PLC0415
    from ops.stack.progress import OnTerminal  # noqa: PLC0415

    with OnTerminal() as report:
        figures = run(load(), report, lambda line: typer.echo(line, err=True), events)
    typer.echo(json.dumps(asdict(figures)) if as_json else _text(asdict(figures)))


@app.command()
def rebuild(
    orders: Annotated[int, typer.Option(min=100, help="Orders, of four events each, that are projected before.")] = (
        50_000
    ),
    as_json: AsJson = False,
) -> None:
    """The read model of orders made anew: filled from the topics, compared with the one that serves, and swapped.

    Starts what is missing and stops it again. Topics and database of the environment "bench" are removed first. With
    --json the last line is one object.

    Examples:
        orderflow bench rebuild

        orderflow bench rebuild --orders 1000000 --json | tail -n 1 | jq .seconds
    """
    from ops.bench.rebuild import run  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.settings import load  # noqa: PLC0415
    from ops.stack.progress import OnTerminal  # noqa: PLC0415

    with OnTerminal() as report:
        figures = run(load(), report, lambda line: typer.echo(line, err=True), orders)
    typer.echo(json.dumps(asdict(figures)) if as_json else _text(asdict(figures)))


def _text(figures: dict[str, object]) -> str:
    return "\n".join(f"{name:18} {figure}" for name, figure in figures.items())
