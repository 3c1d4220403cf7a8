"""`orderflow checkout`: buy something, and see what becomes of it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ops.commands.options import AsJson, Environment


def checkout(
    item: Annotated[
        list[str] | None,
        typer.Option(
            "--item",
            metavar="PRODUCT[:PIECES[:PRICE]]",
            help="May be given several times; the price of a piece is in minor units.",
            show_default="one piece of the first product of the price list",
        ),
    ] = None,
    customer: Annotated[str | None, typer.Option(help="Who buys.", show_default="one of our own")] = None,
    cart: Annotated[
        str | None,
        typer.Option(help="The same cart again is the same attempt, until that has ended.", show_default="a new one"),
    ] = None,
    shop: Annotated[
        bool, typer.Option("--shop", help="Fill the cart and have it priced by the cart API, as a shop would.")
    ] = False,
    code: Annotated[str | None, typer.Option(help="A promotion's; only the cart API knows them: with --shop.")] = None,
    timeout: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="How long to wait for the end.")] = 120.0,
    env: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Check out one cart and follow it to its end, line by line.

    It needs a running stack and workers (orderflow up, orderflow worker --all). Where nothing is for sale yet, it
    first takes an example product into the price list and into stock, and says so.

    Exits with 0 if it became an order, with 1 and the reason if not, with 3 if it has not ended in time.

    Examples:
        orderflow checkout

        orderflow checkout --item 0b0c6a0e-93a5-5a8f-8a0e-1d2c3b4a5968:2:1999 --timeout 30

        orderflow checkout --shop --code SPRING10 --json
    """
    from ops import buying  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.commands.telling import clock  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from ops.story import Line  # noqa: PLC0415
    from ops.wishes import Wish  # noqa: PLC0415

    if code and not shop:
        raise typer.BadParameter("a promotion is worked out by the cart API: say --shop, too", param_hint="--code")

    def tell(line: Line) -> None:
        if as_json:
            typer.echo(json.dumps(asdict(line)))
            return
        said = ", ".join(filter(None, (line.change, line.words)))
        typer.echo(f"{clock(line.at)}  {line.message:<22} {said}")

    settings = load()
    wish = Wish(items=tuple(item or ()), customer=customer, cart=cart, shop=shop, code=code)
    with buying.counter(settings, env or settings.environment) as counter:
        bought = counter.buy(wish, timeout, tell, lambda line: typer.echo(line, err=True))
    typer.echo(json.dumps(asdict(bought)) if as_json else f"{bought}")
