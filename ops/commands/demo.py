"""`orderflow demo`: the whole of it, before your eyes."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import typer

from ops.commands.options import AsJson


def demo(
    carts: Annotated[int, typer.Option(min=1, help="How many customers come, forty a second.")] = 500,
    seed: Annotated[int, typer.Option(help="Who they are and what they do. The same seed, the same customers.")] = 1,
    as_json: AsJson = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the stack running and logs in place, to look at.")
    ] = False,
) -> None:
    """Let customers in: most buy, some find the shelf empty or the card declined, change their mind, or send rubbish.

    Starts what is missing, two workers with all services, one that fills the Order Database, and a payment gateway that
    is as rough as they come; shows how far everybody is; waits for the end of every checkout; and audits what was said,
    what the gateway moved, what lies in the dead letters, and every row of the database. Leaves running only what ran
    before. Exits with 1 if anything is off, down to a cent.

    Topics and database of the environment "demo" are removed first. With --json the last line is one object.

    Examples:
        orderflow demo

        orderflow demo --carts 2000 --seed 7

        orderflow demo --json | tail -n 1 | jq .violations
    """
    from rich.console import Console  # noqa: PLC0415 - the help of all verbs stays quick

    from ops.demo.errors import ViolatedError  # noqa: PLC0415
    from ops.demo.outcome import Outcome  # noqa: PLC0415
    from ops.demo.run import run  # noqa: PLC0415
    from ops.demo.show import live, page  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from ops.stack.progress import OnTerminal  # noqa: PLC0415

    def tell(outcome: Outcome) -> None:
        if as_json:
            typer.echo(json.dumps(outcome.as_json()))
        else:
            Console(highlight=False).print(page(outcome))

    screen = Console(stderr=True, highlight=False)
    try:
        with _terminable(), OnTerminal() as report:
            outcome = run(load(), report, screen.print, partial(live, screen), carts=carts, seed=seed, keep=keep)
    except ViolatedError as error:
        tell(error.outcome)
        raise
    tell(outcome)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM as Ctrl-C: whoever ends us ends what we started."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
