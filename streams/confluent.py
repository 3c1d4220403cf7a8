"""A schema registry that speaks Confluent's API: theirs, Apicurio, Karapace."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from confluent_kafka.schema_registry import (
    ConfigCompatibilityLevel,
    RegisteredSchema,
    SchemaRegistryClient,
    SchemaRegistryError,
    ServerConfig,
)
from confluent_kafka.schema_registry import Schema as RegisteredText

# The client speaks through httpx2 or httpx, whichever is installed; only this names the one whose errors it raises.
from confluent_kafka.schema_registry.common._httpx_compat import httpx

from schemas.avsc import Schema, canonical
from schemas.evolution import same_meaning
from streams.errors import RegistryDeniedError, RegistryUnavailableError, SchemaRejectedError, SchemaUnregisteredError
from streams.registry import FULL_TRANSITIVE

_MISSING = range(40_400, 40_500)
_REJECTED = {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

P = ParamSpec("P")
T = TypeVar("T")


class ConfluentRegistry:
    def __init__(self, access: dict[str, str], *, registers: bool = False, timeout_seconds: float = 5.0) -> None:
        """`access`: url, login and certificates, as the client spells them (ops.settings).

        `registers`: whether a producer may put in a schema that it doesn't find: for developers, never in production.
        """
        self._url = access["url"]
        self._registers = registers
        # The client's own default is to wait for ever, and to retry for most of a minute: who calls us can do better.
        patience = {"timeout": timeout_seconds, "max.retries": 1, "retries.wait.ms": 100}
        self._client = SchemaRegistryClient({**access, **patience})

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def schema_of(self, schema_id: int) -> Schema | None:
        found = self._unless_missing(self._client.get_schema, schema_id)
        return None if found is None else _parsed(found)

    def id_of(self, subject: str, schema: Schema) -> int:
        found = self._unless_missing(self._client.lookup_schema, subject, _text(schema))
        # Apicurio keeps one version for schemas that differ in words only: then the newest one is ours.
        if found is None:
            newest = self._newest(subject)
            found = newest if newest is not None and same_meaning(_parsed(newest.schema), schema) else None
        if found is not None and found.schema_id is not None:
            return found.schema_id
        if not self._registers:
            raise SchemaUnregisteredError(subject)
        return self.register(subject, schema)

    def latest(self, subject: str) -> Schema | None:
        found = self._newest(subject)
        return None if found is None else _parsed(found.schema)

    def register(self, subject: str, schema: Schema) -> int:
        try:
            return self._ask(self._client.register_schema, subject, _text(schema))
        except SchemaRegistryError as error:
            if error.http_status_code in _REJECTED:
                raise SchemaRejectedError(subject, error.error_message) from error
            raise

    def level(self, subject: str) -> str | None:
        found = self._unless_missing(self._client.get_config, subject)
        return None if found is None else found.compatibility_level

    def guard(self, subject: str) -> None:
        wanted = ServerConfig(compatibility=ConfigCompatibilityLevel.FULL_TRANSITIVE)
        try:
            self._ask(self._client.set_config, subject, wanted)
        except SchemaRegistryError as error:
            # Apicurio refuses one of two who guard a subject at once: then it is guarded, which is what we want.
            if self.level(subject) != FULL_TRANSITIVE:
                raise SchemaRejectedError(subject, error.error_message) from error

    def _newest(self, subject: str) -> RegisteredSchema | None:
        # The client remembers the newest version for ever; who asks us, asks because it may have changed.
        self._client.clear_latest_caches()  # type: ignore[no-untyped-call]  # they left it untyped
        return self._unless_missing(self._client.get_latest_version, subject)

    def _unless_missing(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return self._ask(call, *args, **kwargs)
        except SchemaRegistryError as error:
            if _is_missing(error):
                return None
            raise

    def _ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The client's answer; its failures in our words, save for those that mean something to the caller."""
        url = self._url
        try:
            return call(*args, **kwargs)
        except SchemaRegistryError as error:
            if _is_missing(error) or error.http_status_code in _REJECTED:
                raise
            if error.http_status_code in _DENIED:
                raise RegistryDeniedError(url, "refuses our credentials") from error
            raise RegistryUnavailableError(url, f"answers with {error.http_status_code}") from error
        except httpx.HTTPError as error:
            raise RegistryUnavailableError(url, "does not answer") from error
        except (ValueError, TypeError, AttributeError, LookupError) as error:  # JSON of another shape, or none
            raise RegistryUnavailableError(url, "does not answer as a schema registry would") from error


def _is_missing(error: SchemaRegistryError) -> bool:
    """Whether the registry says that it has no such thing.

    Any web server answers 404 to what it never heard of: taken for the registry's own word, a wrong URL would make
    every record undecodable. The registry's has a code of its own (40401 subject, 40403 schema, …).
    """
    return error.http_status_code == HTTPStatus.NOT_FOUND and error.error_code in _MISSING


def _text(schema: Schema) -> RegisteredText:
    return RegisteredText(canonical(schema), "AVRO")


def _parsed(registered: RegisteredText) -> Schema:
    if registered.schema_type not in {None, "AVRO"} or registered.schema_str is None:
        # Another language of schemas: whoever reads it finds a type that Avro doesn't have.
        return {"type": str(registered.schema_type)}
    try:
        parsed: Schema = json.loads(registered.schema_str)
    except (ValueError, RecursionError):
        return {"type": registered.schema_str}
    return parsed
