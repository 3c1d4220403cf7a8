"""Every answer that is not what was asked for, in one shape: RFC 9457, application/problem+json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from schemas.errors import OrderflowError

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """What programs tell problems apart by."""

    slug: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        return f"urn:orderflow:problem:{self.slug}"


MALFORMED = Kind("malformed", HTTPStatus.BAD_REQUEST, "The body is no JSON")
UNAUTHENTICATED = Kind("unauthenticated", HTTPStatus.UNAUTHORIZED, "Nobody is known by this key")
FORBIDDEN = Kind("forbidden", HTTPStatus.FORBIDDEN, "The key is good, but not for this")
NOT_FOUND = Kind("not-found", HTTPStatus.NOT_FOUND, "There is no such thing")
METHOD = Kind("method", HTTPStatus.METHOD_NOT_ALLOWED, "This can't be done here")
TOO_LARGE = Kind("too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large")
INVALID = Kind("invalid", HTTPStatus.UNPROCESSABLE_ENTITY, "The request breaks a rule of the contract")
KEY_REUSED = Kind("key-reused", HTTPStatus.UNPROCESSABLE_ENTITY, "The Idempotency-Key names another request")
UNEXPECTED = Kind("unexpected", HTTPStatus.INTERNAL_SERVER_ERROR, "Something is wrong on our side")
BUSY = Kind("busy", HTTPStatus.SERVICE_UNAVAILABLE, "More is asked for than can be answered now")
DATABASE_AWAY = Kind("database-away", HTTPStatus.SERVICE_UNAVAILABLE, "The database doesn't answer")
KAFKA_AWAY = Kind("kafka-away", HTTPStatus.SERVICE_UNAVAILABLE, "The pipeline doesn't take commands")
BEHIND = Kind("behind", HTTPStatus.SERVICE_UNAVAILABLE, "What can be read is too old")

KINDS = tuple(each for each in list(globals().values()) if isinstance(each, Kind))


Where = Literal["path", "query", "header", "body"]


class FieldProblem(BaseModel):
    """One value that breaks a rule."""

    model_config = ConfigDict(serialize_by_alias=True)

    place: Annotated[Where, Field(alias="in", description="Where it stands.")]
    field: Annotated[str, Field(description="Which one; inside of a body with its path, such as items.0.quantity.")]
    value: Annotated[str, Field(description="What was given, shortened.")]
    problem: Annotated[str, Field(description="Which rule it breaks, and so what to give instead.")]

    def __str__(self) -> str:
        return f"{self.place} {self.field}={self.value}: {self.problem}"


class ProblemAnswer(BaseModel):
    """The body of every answer from 400 on."""

    type: Annotated[str, Field(description="Which kind of problem, for programs.")]
    title: Annotated[str, Field(description="The kind in words; always the same for one type.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What it is this time, and what to do about it.")]
    instance: Annotated[str, Field(description="This very request; our logs know it by this name.")]
    errors: Annotated[tuple[FieldProblem, ...], Field(description="Which values are to blame, if any are.")] = ()


class ProblemError(OrderflowError):
    """Raised wherever a request can't be answered."""

    def __init__(
        self, kind: Kind, detail: str, errors: Sequence[FieldProblem] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors, self.headers = kind, detail, tuple(errors), dict(headers or {})


def away(kind: Kind, detail: str, *, retry_seconds: int = 2) -> ProblemError:
    """Nobody is at fault who asked: the same request may be sent again."""
    return ProblemError(kind, detail, headers={"Retry-After": str(retry_seconds)})


def not_found(what: str) -> ProblemError:
    return ProblemError(NOT_FOUND, what)


def blamed(place: Where, field: str, value: str, problem: str) -> ProblemError:
    """One value breaks a rule that its type can't say."""
    error = FieldProblem.model_validate({"in": place, "field": field, "value": value, "problem": problem})
    return ProblemError(INVALID, str(error), [error])


def response(problem: ProblemError, request_id: str) -> Response:
    kind = problem.kind
    answer = ProblemAnswer(
        type=kind.uri,
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        instance=f"urn:orderflow:request:{request_id}",
        errors=problem.errors,
    )
    return Response(answer.model_dump_json(), kind.status, problem.headers, MEDIA_TYPE)


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """What a route's documentation says of the problems that it may answer with."""
    described: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        example = ProblemAnswer(
            type=kind.uri,
            title=kind.title,
            status=kind.status,
            detail="…",
            instance="urn:orderflow:request:0f3a9c51d2e4",
        )
        entry = described.setdefault(int(kind.status), {"description": "", "content": {MEDIA_TYPE: _content()}})
        entry["description"] = "; or: ".join(filter(None, (entry["description"], kind.title)))
        entry["content"][MEDIA_TYPE]["examples"][kind.slug] = {"value": example.model_dump(mode="json")}
        if headers := _HEADERS.get(kind.status):
            entry["headers"] = headers
    return described


def _content() -> dict[str, Any]:
    return {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}, "examples": {}}


def text_header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


_HEADERS: dict[int, dict[str, Any]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": text_header("Always `Bearer`.")},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": text_header("After how many seconds to ask again.")},
}
