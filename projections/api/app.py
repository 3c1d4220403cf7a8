"""The API as a whole: its parts, its routes, its documentation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from projections.api import checkouts, frame, health, inventory, orders, payments, reads
from projections.api.doors import Doors
from projections.api.problems import (
    BUSY,
    DATABASE_AWAY,
    FORBIDDEN,
    INVALID,
    UNAUTHENTICATED,
    UNEXPECTED,
    ProblemAnswer,
    documented,
    text_header,
)
from projections.api.publisher import DELIVERY_SECONDS, Publisher
from projections.api.repeats import Repeats
from streams.codec import Codec
from streams.confluent import ConfluentRegistry

_ABOUT = """Commands into the order pipeline, and queries on the Order Database.

Ids are text, times are milliseconds since 1970 (UTC), amounts are whole minor units (1250 is 12.50 EUR). What is read
is a fold of the events, usually some milliseconds old. Every error is a problem (RFC 9457) that says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the API stands."""

    environment: str
    dsn: str
    #: What any client of Kafka, and of the registry, needs to reach it.
    kafka: dict[str, str]
    registry: dict[str, str]
    asks_for_keys: bool = True
    connections: int = reads.CONNECTIONS
    wait_seconds: float = reads.WAIT_SECONDS
    delivery_seconds: float = DELIVERY_SECONDS


def create(site: Site) -> FastAPI:
    """Nothing is connected before the application starts; what is away then is waited for, request by request."""
    pool = reads.pool(site.dsn, connections=site.connections, wait_seconds=site.wait_seconds)
    questions = reads.Reads(pool)
    registry = ConfluentRegistry(site.registry)
    publisher = Publisher(
        site.kafka, Codec(registry, site.environment), site.environment, seconds=site.delivery_seconds
    )
    doors, repeats = Doors(pool, asks_for_keys=site.asks_for_keys), Repeats(pool)
    of_orders, of_checkouts = orders.Orders(questions), checkouts.Checkouts(questions)
    ends = health.Ends(site.kafka)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        publisher.open()
        with closing(registry), closing(ends), closing(publisher):
            async with pool:
                yield
                for poller in (of_orders.ends, of_orders.news, of_checkouts.ends):
                    await poller.close()

    app = FastAPI(
        title="orderflow",
        version=version("orderflow"),
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        responses=documented(UNEXPECTED),
    )
    frame.install(app)
    guarded = documented(UNAUTHENTICATED, FORBIDDEN, INVALID, BUSY, DATABASE_AWAY)
    app.include_router(orders.router(of_orders, publisher, repeats, doors), responses=guarded)
    app.include_router(checkouts.router(of_checkouts, publisher, repeats, doors), responses=guarded)
    app.include_router(inventory.router(inventory.Inventory(questions), doors), responses=guarded)
    app.include_router(payments.router(questions, doors), responses=guarded)
    app.include_router(health.router(health.Freshness(questions, ends), doors), responses=guarded)
    setattr(app, "openapi", lambda: _documented(app))  # noqa: B010 - how FastAPI wants it replaced; mypy knows no other way
    return app


def _documented(app: FastAPI) -> dict[str, Any]:
    """With what holds for every answer, and without what FastAPI would have answered in our place."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schema = ProblemAnswer.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
        schemas = document["components"]["schemas"]
        schemas |= schema.pop("$defs") | {"ProblemAnswer": schema}
        named = {frame.REQUEST_ID: text_header("The name of this request in our logs.")}
        for path in document["paths"].values():
            for operation in path.values():
                for response in operation["responses"].values():
                    response["headers"] = named | response.get("headers", {})
        app.openapi_schema = document
    return app.openapi_schema
