"""The `orderflow` command: wiring of the verbs, and the one place that turns an error into a line and an exit code."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer.exceptions import TyperException

from ops.commands import (
    api,
    bench,
    checkout,
    database,
    demo,
    export,
    projection,
    replay,
    schemas,
    settings,
    simulate,
    stack,
    state,
    topics,
    trace,
    worker,
)
from schemas.errors import OrderflowError

app = typer.Typer(
    name="orderflow",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"orderflow {version('orderflow')}")
        raise typer.Exit


@app.callback()
def orderflow(
    _version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """An order pipeline for Apache Kafka that loses no order and no cent.

    Exit codes: 0 done, 1 something is wrong (said in one line), 2 wrong arguments or settings, 3 not ended in time,
    130 interrupted.
    """


app.command()(demo.demo)
app.command()(simulate.simulate)
app.command()(worker.worker)
app.command()(checkout.checkout)
app.command()(trace.trace)
app.command()(replay.replay)
app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.command()(stack.logs)
app.add_typer(schemas.app, name="schemas")
app.add_typer(topics.app, name="topics")
app.add_typer(state.app, name="state")
app.add_typer(database.app, name="database")
app.add_typer(api.app, name="api")
app.add_typer(projection.app, name="projection")
app.command()(export.export)
app.add_typer(bench.app, name="bench")
app.command()(settings.settings)


def main() -> None:
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except TyperException as error:
        if message := error.format_message():  # none after a verb without its arguments: that printed its help
            context = getattr(error, "ctx", None)
            verb = context.command_path if context else "orderflow"
            typer.echo(f"{verb}: {' '.join(message.split())} (see: {verb} --help)", err=True)
        sys.exit(error.exit_code)
    except OrderflowError as error:
        typer.echo(f"orderflow: {error}", err=True)
        for cause in _causes(error):
            typer.echo(f"  because: {cause}", err=True)
        sys.exit(error.exit_code)


def _causes(error: BaseException) -> list[str]:
    causes = []
    while (cause := error.__cause__) is not None:
        causes.append(f"{type(cause).__name__}: {cause}")
        error = cause
    return causes


if __name__ == "__main__":
    main()
