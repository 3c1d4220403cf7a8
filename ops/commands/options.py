"""Options that several verbs share, with one spelling and one help text."""

from typing import Annotated

import typer

from schemas.topics import ENVIRONMENT

AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")]


def _slug(env: str | None) -> str | None:
    if env is not None and not ENVIRONMENT.fullmatch(env):
        raise typer.BadParameter(f"{env!r} is no environment: up to 20 of a-z, 0-9 and hyphens, such as dev, sit, prod")
    return env


Environment = Annotated[
    str | None,
    typer.Option("--env", help="The <env> in every topic name.", show_default="ORDERFLOW_ENVIRONMENT", callback=_slug),
]
