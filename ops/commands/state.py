"""`orderflow state …`: what workers keep on this machine."""

from typing import Annotated

import typer

from ops.commands.options import Environment

app = typer.Typer(no_args_is_help=True, help="The state that workers keep on this machine.")


@app.command()
def drop(
    service: Annotated[str, typer.Argument(help="Whose.")],
    partition: Annotated[int | None, typer.Option(min=0, help="This one alone.")] = None,
    env: Environment = None,
) -> None:
    """Remove the local store of a service; the next worker here rebuilds it from the changelog.

    No topic is touched. A store that a worker has open is refused: stop that worker first.

    Examples:
        orderflow state drop orders --partition 3
    """
    from ops.settings import load  # noqa: PLC0415 - the help of all verbs stays quick
    from ops.worker.surroundings import rocks_stores  # noqa: PLC0415
    from streams.kafka.topics import group_of  # noqa: PLC0415

    settings = load()
    stores, group = rocks_stores(settings.data_dir), group_of(service, env or settings.environment)
    dropped = [each for each in stores.kept(group) if partition in (None, each)]
    for each in dropped:
        stores.open(group, each).destroy()
        typer.echo(f"- {group}[{each}]")
    typer.echo(f"{len(dropped)} local stores of {group} removed from {settings.data_dir}", err=True)
