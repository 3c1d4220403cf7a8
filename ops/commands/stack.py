"""`orderflow up | down | status | logs`: the local stack."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:  # imported where it is needed: `orderflow --help` stays quick, and works without the extra `local`
    from ops.stack.part import PartStatus

_PARTS: tuple[Literal["kafka", "postgres", "registry"], ...] = ("kafka", "postgres", "registry")
#: The name of a part's address in the JSON of `status`.
_ADDRESS_KEYS = {"kafka": "bootstrap", "postgres": "dsn", "registry": "url"}


def up(
    brokers: Annotated[
        int | None,
        typer.Option(min=1, max=9, help="How many Kafka brokers; fixed for the life of the data. Default: 1."),
    ] = None,
) -> None:
    """Start the local Kafka, PostgreSQL and schema registry, or heal them.

    What runs already stays as it is. What ORDERFLOW_KAFKA_BOOTSTRAP, ORDERFLOW_POSTGRES_DSN or
    ORDERFLOW_REGISTRY_URL name is used instead of a local part. Prints the addresses on stdout.

    Examples:
        orderflow up

        orderflow up --brokers 3
    """
    from ops.settings import load  # noqa: PLC0415 -- see TYPE_CHECKING above
    from ops.stack import Stack  # noqa: PLC0415
    from ops.stack.progress import OnTerminal  # noqa: PLC0415

    with OnTerminal() as report:
        addresses = Stack(load(), brokers=brokers, report=report).up()
    for name, address in asdict(addresses).items():
        typer.echo(f"{name:<9} {address}")


def down(
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove the data, too: topics, tables, schemas, logs.")
    ] = False,
) -> None:
    """Stop the local stack; its data stay. Nothing running is fine.

    Examples:
        orderflow down

        orderflow down --purge
    """
    from ops.settings import load  # noqa: PLC0415
    from ops.stack import Stack  # noqa: PLC0415
    from ops.stack.progress import OnTerminal  # noqa: PLC0415

    with OnTerminal() as report:
        Stack(load(), report=report).down(purge=purge)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Show each part: address, version, health, pid. Exits with 1 unless all are healthy.

    Examples:
        orderflow status

        orderflow status --json | jq -r .kafka.bootstrap
    """
    from ops.settings import load  # noqa: PLC0415
    from ops.stack import Stack  # noqa: PLC0415
    from ops.stack.errors import UnhealthyError  # noqa: PLC0415

    parts = Stack(load()).status()
    typer.echo(json.dumps(_as_json(parts), indent=2) if as_json else _as_table(parts))
    if ill := [part.name for part in parts if not part.healthy]:
        raise UnhealthyError(ill)


def logs(
    part: Annotated[
        Literal["kafka", "postgres", "registry"] | None, typer.Argument(help="Without it: all of them.")
    ] = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last lines.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they are written, until Ctrl-C.")] = False,
) -> None:
    """Show what the local parts wrote.

    Examples:
        orderflow logs

        orderflow logs kafka -n 100

        orderflow logs registry --follow
    """
    from ops.settings import load  # noqa: PLC0415
    from ops.stack import Stack  # noqa: PLC0415
    from ops.stack.logs import follow as follow_logs  # noqa: PLC0415
    from ops.stack.logs import tail  # noqa: PLC0415

    stack = Stack(load())
    files = [file for name in ([part] if part else _PARTS) for file in stack.logs(name)]
    for file in files:
        typer.echo(f"==> {file} <==", err=True)
        for line in tail(file, lines):
            typer.echo(line)
    if follow:
        with suppress(KeyboardInterrupt):  # how one ends it
            for _, text in follow_logs(files):
                typer.echo(text, nl=False)


def _as_json(parts: "Sequence[PartStatus]") -> dict[str, dict[str, object]]:
    return {
        part.name: {
            _ADDRESS_KEYS[part.name]: part.address,
            "version": part.version,
            "healthy": part.healthy,
            "pids": part.pids,
            "provider": part.provider,
        }
        for part in parts
    }


def _as_table(parts: "Sequence[PartStatus]") -> str:
    return "\n".join(
        f"{part.name:<9} {'healthy' if part.healthy else 'AWAY':<8} {part.version or '-':<7} {part.provider:<6} "
        f"{part.address or '-'}  pid {', '.join(map(str, part.pids)) or '-'}"
        for part in parts
    )
