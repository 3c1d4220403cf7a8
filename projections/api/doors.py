"""Who may come in: a bearer key with the scope that a route needs."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from projections.api.keys import Client, Scope, client_of
from projections.api.problems import FORBIDDEN, UNAUTHENTICATED, ProblemError
from projections.api.reads import Pool

_BEARER = HTTPBearer(
    auto_error=False, scheme_name="key", description="An API key: `orderflow api keys create CLIENT --scope …`."
)
_ANYBODY = Client("anybody", frozenset(Scope))

Door = Callable[[HTTPAuthorizationCredentials | None], Awaitable[Client]]


class Doors:
    """`asks_for_keys`: without, whoever reaches the port may do anything; only development allows that."""

    def __init__(self, pool: Pool, *, asks_for_keys: bool) -> None:
        self._pool = pool
        self._asks = asks_for_keys

    def needs(self, scope: Scope) -> Door:
        async def client(bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]) -> Client:
            if not self._asks:
                return _ANYBODY
            return await self._known(bearer, scope)

        return client

    async def _known(self, bearer: HTTPAuthorizationCredentials | None, scope: Scope) -> Client:
        challenge = {"WWW-Authenticate": "Bearer"}
        if bearer is None:
            words = (
                "send the header `Authorization: Bearer <API key>`; operators make one with `orderflow api keys create`"
            )
            raise ProblemError(UNAUTHENTICATED, words, headers=challenge)
        async with self._pool.connection() as connection:
            known = await client_of(connection, bearer.credentials)
        if known is None:
            words = "the key is unknown, or was revoked; operators make a new one with `orderflow api keys create`"
            raise ProblemError(UNAUTHENTICATED, words, headers=challenge)
        if scope not in known.scopes:
            words = f"the key of {known.name} has the scopes {', '.join(sorted(known.scopes))}; this needs {scope}"
            raise ProblemError(FORBIDDEN, words)
        return known
