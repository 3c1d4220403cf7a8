"""How the client's failures become ours, against a server that answers whatever a test wants."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import ClassVar

import pytest

from streams.confluent import ConfluentRegistry
from streams.errors import RegistryDeniedError, RegistryUnavailableError, SchemaRejectedError

SCHEMA = {"type": "record", "name": "a.B", "fields": []}


class Scripted(BaseHTTPRequestHandler):
    """Gives every request the same answer."""

    answer: ClassVar[tuple[int, str]] = (200, "{}")
    seen: ClassVar[list[tuple[str, str | None]]] = []
    #: Set to let an answer go that is being held back.
    released: ClassVar[Event] = Event()

    def do_GET(self) -> None:
        self.released.wait()
        self.seen.append((self.path, self.headers["Authorization"]))
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Keep the tests' output for the tests."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that gives up is what one of the tests is about."""


@contextmanager
def serving(status: int, body: str, *, silent: bool = False) -> Iterator[str]:
    class Handler(Scripted):
        answer = (status, body)
        seen: ClassVar[list[tuple[str, str | None]]] = Scripted.seen
        released = Event()

    if not silent:
        Handler.released.set()
    Scripted.seen.clear()
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            Handler.released.set()
            server.shutdown()
            thread.join()


def error(code: int) -> str:
    return json.dumps({"error_code": code, "message": "no"})


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (500, error(50_001), "answers with 500"),
        (503, "<html>", "answers with 503"),
        (429, "", "answers with 429"),
        (404, "<html>", "answers with 404"),
        (404, "{}", "answers with 404"),
        (200, "<html>", "does not answer as a schema registry would"),
        (200, "[]", "does not answer as a schema registry would"),
        (401, error(40_101), "refuses our credentials"),
        (403, "", "refuses our credentials"),
    ],
)
def test_whatever_is_no_answer_about_the_schema_is_no_fault_of_the_record(status: int, body: str, says: str) -> None:
    with serving(status, body) as url, closing(ConfluentRegistry({"url": url})) as registry:
        with pytest.raises(RegistryUnavailableError, match=says) as failure:
            registry.schema_of(7)
        assert isinstance(failure.value, RegistryDeniedError) == (status in {401, 403})


def test_a_registry_that_stays_silent_is_given_up() -> None:
    with (
        serving(200, "{}", silent=True) as url,
        closing(ConfluentRegistry({"url": url}, timeout_seconds=0.05)) as registry,
        pytest.raises(RegistryUnavailableError, match="does not answer;"),
    ):
        registry.schema_of(7)


def test_only_the_registry_itself_can_say_that_an_id_is_unknown() -> None:
    with serving(404, error(40_403)) as url, closing(ConfluentRegistry({"url": url})) as registry:
        assert registry.schema_of(7) is None


@pytest.mark.parametrize(("status", "code"), [(409, 409), (422, 42_201)])
def test_a_refused_schema_is_an_error_of_its_own(status: int, code: int) -> None:
    with serving(status, error(code)) as url, closing(ConfluentRegistry({"url": url})) as registry:
        with pytest.raises(SchemaRejectedError) as refusal:
            registry.register("a.dev.events-a.B", SCHEMA)
        assert (refusal.value.subject, refusal.value.reason) == ("a.dev.events-a.B", "no")


def test_a_schema_of_another_language_is_one_that_avro_does_not_have() -> None:
    body = json.dumps({"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"})
    with serving(200, body) as url, closing(ConfluentRegistry({"url": url})) as registry:
        assert registry.schema_of(7) == {"type": "PROTOBUF"}


def test_the_registry_is_asked_with_our_credentials() -> None:
    body = json.dumps({"schema": json.dumps(SCHEMA)})
    with serving(200, body) as url:
        access = {"url": url, "basic.auth.user.info": "orders:s3cret"}
        with closing(ConfluentRegistry(access)) as registry:
            assert registry.schema_of(7) == SCHEMA
            registry.schema_of(7)
    # Once: what an id means never changes.
    assert Scripted.seen == [("/schemas/ids/7", f"Basic {b64encode(b'orders:s3cret').decode()}")]
