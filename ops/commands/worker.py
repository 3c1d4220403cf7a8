"""`orderflow worker`: services at work in this process."""

from typing import Annotated

import typer


def worker(
    services: Annotated[list[str] | None, typer.Argument(metavar="SERVICE", help="Which of them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    app: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:ATTRIBUTE", help="A Service or Hosted of your own, or a list of them, not the catalogue's."
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for a broker or registry that is away, up to ten minutes.")
    ] = False,
    metrics_page: Annotated[bool, typer.Option("--metrics-page", help="The page docs/metrics.md instead.")] = False,
    # How the tests of all that surrounds an engine put one of theirs in its place.
    engine: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run services until told to stop. Start as many workers as there are partitions: they share the work.

    Before it starts anything it looks whether the broker answers, topics and schemas are as the services need them, and
    makes the topics that are the services' own. SIGTERM or Ctrl-C drains, a second one ends at once; both are safe.
    Logs go to stderr; health and metrics are on HTTP (ORDERFLOW_HTTP_PORT).

    Exits with 0 after a drain, with 1 and a line that says why when it can't go on.

    Examples:
        orderflow worker --all

        orderflow worker orders payments --wait

        orderflow worker --app examples.python.patience:patience
    """
    # The help of all verbs stays quick.
    from ops import addresses  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415
    from ops.worker import logs, metrics, process, tracing  # noqa: PLC0415
    from ops.worker.checks import Checks  # noqa: PLC0415
    from ops.worker.run import WAIT_SECONDS  # noqa: PLC0415
    from ops.worker.services import attribute, chosen, offered  # noqa: PLC0415
    from ops.worker.surroundings import Surroundings, kafka_engine  # noqa: PLC0415

    if metrics_page:
        typer.echo(metrics.table(), nl=False)
        return
    settings = load()
    wanted = chosen(services or (), offered(app, settings), every=every or (app is not None and not services))
    logs.configure(settings)
    with tracing.tracer(settings) as tracer:
        surroundings = Surroundings(
            settings,
            kafka=settings.kafka_client(addresses.kafka(settings)),
            registry=settings.registry_client(addresses.registry(settings)),
            tracer=tracer,
        )
        process.host(
            wanted,
            surroundings,
            attribute(engine) if engine else kafka_engine,
            check=Checks([hosted.service for hosted in wanted], surroundings),
            wait_seconds=WAIT_SECONDS if wait else 0,
        )
