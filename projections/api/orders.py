"""Orders: how they stand, how they came there, and the wish to call one off."""

from collections.abc import AsyncIterator, Collection, Mapping
from hashlib import blake2b
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from psycopg import OperationalError
from pydantic import ConfigDict, Field

from projections import queries
from projections.api import SQL_FOLDER
from projections.api.answers import (
    ENDS,
    CancellationAccepted,
    OrderAnswer,
    OrderHistory,
    OrderPage,
    OrderStatus,
    OrderSummary,
    StatusChange,
)
from projections.api.asking import Asked, IdempotencyKey, OrderPath, Waiting
from projections.api.cursors import CursorError, Place, decoded, encoded
from projections.api.doors import Doors
from projections.api.keys import Client, Scope
from projections.api.poller import Poller
from projections.api.problems import (
    INVALID,
    KAFKA_AWAY,
    KEY_REUSED,
    MALFORMED,
    NOT_FOUND,
    TOO_LARGE,
    ProblemError,
    blamed,
    documented,
    not_found,
    text_header,
)
from projections.api.publisher import Publisher
from projections.api.reads import Reads
from projections.api.repeats import Once, Repeats
from schemas.message import Meta, Record
from schemas.orders import CancellationReason, CancelOrder
from schemas.types import INT_MAX, Uuid

_SQL = queries.load("orders", SQL_FOLDER)
#: A stream that says nothing for so long is taken for dead by proxies, and a client that left is not noticed.
HEARTBEAT_SECONDS = 15.0
#: Status changes in one answer: far more than an order has, and yet a bound.
_MOST_CHANGES = 100


class Page(Asked):
    """Which orders."""

    customerId: Annotated[Uuid, Field(description="Whose.")]
    status: Annotated[OrderStatus | None, Field(description="Only those that stand there.")] = None
    limit: Annotated[int, Field(ge=1, le=100, description="So many at once.")] = 20
    cursor: Annotated[str | None, Field(max_length=100, description="`next` of the page before, of the same list.")] = (
        None
    )

    @property
    def of(self) -> str:
        return f"{self.customerId} {self.status}"


class After(Asked):
    """Which part of a history."""

    after: Annotated[int, Field(ge=0, le=INT_MAX, description="Only what follows this sequence.")] = 0


class Cancellation(Record):
    """Why an order is to be called off."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "CUSTOMER_REQUESTED"}]})

    reason: Annotated[CancellationReason, Field(description="UNRECOGNIZED is what readers see, nobody may send it.")]


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class Orders:
    """What the read model says of orders, to one who asks and to many who wait."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        #: Orders at an end; and what is new of an order after a sequence.
        self.ends: Poller[str, bool] = Poller(self._ended)
        self.news: Poller[tuple[str, int], Mapping[str, Any]] = Poller(self._news)

    async def one(self, order_id: str) -> OrderAnswer:
        found = await self._reads.one(_SQL["one"], {"order_id": order_id})
        if found is None:
            raise not_found(
                f"no order {order_id} is known, or none yet; GET /checkouts/{order_id} says what becomes of it"
            )
        return OrderAnswer.model_validate(found)

    async def page(self, asked: Page) -> OrderPage:
        place = _place(asked)
        values = {
            "customer_id": asked.customerId,
            "status": asked.status,
            "at": place and place.at,
            "after": place and place.id,
            "limit": asked.limit + 1,  # whether one more is there
        }
        rows = await self._reads.all(_SQL["page"], values)
        shown = [OrderSummary.model_validate(row) for row in rows[: asked.limit]]
        more = len(rows) > asked.limit
        last = shown[-1] if more else None
        following = encoded(Place(last.createdAt, last.orderId), asked.of) if last and last.createdAt else None
        return OrderPage(orders=tuple(shown), next=following)

    async def history(self, order_id: str, after: int) -> OrderHistory:
        await self.exists(order_id)
        values = {"order_id": order_id, "after": after, "limit": _MOST_CHANGES}
        rows = await self._reads.all(_SQL["history"], values)
        changes = tuple(StatusChange.model_validate(row) for row in rows)
        following = changes[-1].sequence if len(changes) == _MOST_CHANGES else None
        return OrderHistory(orderId=order_id, changes=changes, next=following)

    async def exists(self, order_id: str) -> None:
        if await self._reads.one(_SQL["exists"], {"order_id": order_id}) is None:
            raise not_found(f"no order {order_id} is known, or none yet")

    async def is_over(self, order_id: str, after: int) -> bool:
        """Whether nothing follows that sequence any more."""
        asked = (order_id, after)
        known = (await self._news([asked])).get(asked)
        return known is not None and not known["entries"]

    async def _ended(self, order_ids: Collection[str]) -> Mapping[str, bool]:
        rows = await self._reads.all(_SQL["ended"], {"order_ids": list(order_ids), "ends": list(ENDS)})
        return {row["orderId"]: True for row in rows}

    async def _news(self, asked: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], Mapping[str, Any]]:
        ids, afters = zip(*asked, strict=True)
        values = {"order_ids": list(ids), "afters": list(afters), "ends": list(ENDS), "limit": _MOST_CHANGES}
        rows = await self._reads.all(_SQL["news"], values)
        return {(row["orderId"], row["after"]): row for row in rows}


def router(orders: Orders, publisher: Publisher, repeats: Repeats, doors: Doors) -> APIRouter:
    routes = APIRouter(prefix="/orders", tags=["orders"])
    reads, writes = Depends(doors.needs(Scope.READ)), Depends(doors.needs(Scope.WRITE))
    etag = {"ETag": text_header("Hand it back as `If-None-Match`.")}

    @routes.get("", dependencies=[reads], summary="A customer's orders, newest first")
    async def listed(asked: Annotated[Page, Query()]) -> OrderPage:
        return await orders.page(asked)

    @routes.get(
        "/{orderId}",
        dependencies=[reads],
        summary="An order as it stands (GetOrder)",
        response_model=OrderAnswer,
        responses={
            200: {"headers": etag},
            304: {"description": "It is as it was when you got that ETag.", "headers": etag},
            **documented(NOT_FOUND),
        },
    )
    async def one(
        order_id: OrderPath,
        if_none_match: Annotated[str | None, Header(description="ETags of what you have.")] = None,
    ) -> Response:
        return _tagged(await orders.one(order_id), if_none_match)

    @routes.get(
        "/{orderId}/history", dependencies=[reads], summary="How it came there", responses=documented(NOT_FOUND)
    )
    async def history(order_id: OrderPath, asked: Annotated[After, Query()]) -> OrderHistory:
        return await orders.history(order_id, asked.after)

    @routes.get(
        "/{orderId}/events",
        dependencies=[reads],
        summary="How it goes on, as it happens (server-sent events)",
        response_class=EventStream,
        responses={
            200: {
                "description": "Events named `status`, whose data is a StatusChange and whose id is its sequence; a "
                "comment when nothing happens for a while. It ends with the order.",
                "content": {EventStream.media_type: {"schema": _EVENT, "example": _EXAMPLE}},
            },
            204: {"description": "The order has ended, and you have heard all of it: don't come back."},
            **documented(NOT_FOUND),
        },
    )
    async def events(
        order_id: OrderPath,
        last_event_id: Annotated[
            int, Header(ge=0, le=INT_MAX, description="The sequence that was heard last; a browser sends it itself.")
        ] = 0,
    ) -> Response:
        await orders.exists(order_id)
        orders.news.admit()
        if await orders.is_over(order_id, last_event_id):
            return Response(status_code=204)
        return EventStream(_stream(orders, order_id, last_event_id), headers={"Cache-Control": "no-store"})

    @routes.post(
        "/{orderId}/cancel",
        summary="Call it off (CancelOrder)",
        status_code=202,
        response_model=CancellationAccepted,
        responses={
            200: {
                "model": OrderAnswer,
                "description": "With `wait=terminal`: the order at its end, whichever that is.",
            },
            202: {
                "description": "It is on its way to the services.",
                "headers": {"Location": text_header("The order.")},
            },
            **documented(MALFORMED, TOO_LARGE, INVALID, KEY_REUSED, KAFKA_AWAY),
        },
    )
    async def cancel(
        order_id: OrderPath,
        wish: Cancellation,
        key: IdempotencyKey,
        asked: Annotated[Waiting, Query()],
        client: Annotated[Client, writes],
        response: Response,
    ) -> Any:
        _sendable(wish)
        once = Once(client.name, key, f"cancel {order_id} {wish.model_dump_json()}")

        async def act(_at: int) -> dict[str, Any]:
            await publisher.publish(
                CancelOrder(orderId=order_id, reason=wish.reason, meta=Meta(messageId=once.id, correlationId=once.id))
            )
            return CancellationAccepted(orderId=order_id, reason=wish.reason).model_dump(mode="json")

        accepted = await repeats.once(once, order_id, act)
        if asked.wait and await orders.ends.news(order_id, asked.timeout):
            return _tagged(await orders.one(order_id), None)
        response.headers["Location"] = f"/orders/{order_id}"
        return accepted

    return routes


_EXAMPLE = (
    'id: 1\nevent: status\ndata: {"sequence":1,"previousStatus":"CREATED","status":"CONFIRMED","reason":"paid",'
    '"changedAt":1789000000000,"partition":0,"offset":42}\n\n: still here\n\n'
)


#: Of each event: its fields.
_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"const": "status"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/StatusChange"},
        },
    },
    "required": ["id", "event", "data"],
}


async def _stream(orders: Orders, order_id: str, after: int) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    while True:
        try:
            news = await orders.news.news((order_id, after), HEARTBEAT_SECONDS)
        except (ProblemError, OperationalError):  # the client comes back, and is told in a status
            return
        if news is None:
            yield ": still here\n\n"
            continue
        for change in map(StatusChange.model_validate, news["entries"]):
            after = change.sequence
            yield f"id: {after}\nevent: status\ndata: {change.model_dump_json()}\n\n"
        if news["status"] in ENDS and len(news["entries"]) < _MOST_CHANGES:
            return


def _tagged(answer: OrderAnswer, known: str | None) -> Response:
    """The version stands for the order; the digest for how this release shows it, and for what a rebuild mended."""
    body = answer.model_dump_json()
    tag = f'"{answer.version}-{blake2b(body.encode(), digest_size=4).hexdigest()}"'
    # Nobody between us and the client may answer in our place without asking.
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if known is not None and {"*", tag} & {each.strip().removeprefix("W/") for each in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _place(asked: Page) -> Place | None:
    if asked.cursor is None:
        return None
    try:
        return decoded(asked.cursor, asked.of)
    except CursorError as error:
        raise blamed("query", "cursor", asked.cursor, f"{error}; begin again without one") from error


def _sendable(wish: Cancellation) -> None:
    if wish.reason is CancellationReason.UNRECOGNIZED:
        words = "it is what readers see of a reason that they are too old for; send one of the others"
        raise blamed("body", "reason", wish.reason, words)
