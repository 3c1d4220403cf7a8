"""`orderflow settings`: what is in force."""

from typing import Annotated

import typer


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="The page docs/settings.md instead.")] = False,
) -> None:
    """Show every setting and the value in force, secrets masked.

    Examples:
        orderflow settings

        ORDERFLOW_ENVIRONMENT=sit orderflow settings
    """
    from ops.settings import Settings, load, table, variable  # noqa: PLC0415 - the help of all verbs stays quick

    if markdown:
        typer.echo(table(), nl=False)
        return
    in_force = load()
    for field in Settings.model_fields:
        value = getattr(in_force, field)
        typer.echo(f"{variable(field)}={'' if value is None else value}")
