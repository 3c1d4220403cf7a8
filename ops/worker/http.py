"""What a worker answers to those who watch over it: on the loop that hosts the engines, never beside a record."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest

from ops.worker.health import Health
from ops.worker.metrics import EngineCollector
from schemas.errors import OrderflowError

#: For answers under way when the worker ends; a watcher who is slower asks again and finds nobody.
CLOSE_SECONDS = 1.0


class AddressTakenError(OrderflowError):
    """Somebody else listens where the endpoints should be."""


@asynccontextmanager
async def served(health: Health, host: str, port: int) -> AsyncIterator[str]:
    """The endpoints, for as long as the context lasts; gives their URL."""
    # A watcher asks every few seconds for ever: its requests are no news.
    runner = web.AppRunner(_application(health), access_log=None, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise AddressTakenError(
                f"can't listen on {host}:{port}; set ORDERFLOW_HTTP_PORT to another port, or to 0 for a free one"
            ) from error
        address, bound = runner.addresses[0][:2]
        yield f"http://{f'[{address}]' if ':' in address else address}:{bound}"
    finally:
        await runner.cleanup()


def _application(health: Health) -> web.Application:
    registry = CollectorRegistry()
    registry.register(EngineCollector(health))
    ProcessCollector(registry=registry)

    async def live(_request: web.Request) -> web.Response:
        failures = health.failures()
        return web.json_response({"live": not failures, "failures": failures}, status=_status(not failures))

    async def ready(_request: web.Request) -> web.Response:
        report = health.report()
        return web.json_response(report, status=_status(report["ready"]))

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def index(_request: web.Request) -> web.Response:
        return web.json_response(
            {"orderflow": "worker", "services": list(health.engines), "see": ["/live", "/ready", "/metrics"]}
        )

    application = web.Application()
    application.add_routes(
        [web.get("/", index), web.get("/live", live), web.get("/ready", ready), web.get("/metrics", metrics)]
    )
    return application


def _status(good: bool) -> int:
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
