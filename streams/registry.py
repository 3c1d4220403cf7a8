"""The schema registry: what the codec and the operators ask of it, in words of the contract.

Subjects follow TopicRecordName (`<topic>-<record full name>`), because a topic carries many types of message.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from schemas.avsc import Schema, fullname
from schemas.message import Message

FULL_TRANSITIVE = "FULL_TRANSITIVE"


def subject_of(message: type[Message], environment: str) -> str:
    topic = message.contract.topic
    if topic is None:
        raise TypeError(f"{message.__name__} is a {message.kind}: it travels on no topic, so it has no subject")
    return f"{topic.name(environment)}-{fullname(message)}"


class Registry(Protocol):
    """What the codec needs. Every method may raise RegistryUnavailableError."""

    def schema_of(self, schema_id: int) -> Schema | None:
        """The schema that a record was written with; None if the registry has no such id."""

    def id_of(self, subject: str, schema: Schema) -> int:
        """The id to write with; raises SchemaUnregisteredError."""


class ManagedRegistry(Registry, Protocol):
    """What an operator needs beside: to put schemas in, and to keep others from breaking them."""

    def latest(self, subject: str) -> Schema | None:
        """The newest version; None if the subject has none."""

    def register(self, subject: str, schema: Schema) -> int:
        """Make it the newest version, or find that it is there; raises SchemaRejectedError."""

    def level(self, subject: str) -> str | None:
        """The compatibility that the subject is held to: by itself, or (some registries) by the registry's own rule."""

    def guard(self, subject: str) -> None:
        """Hold it to FULL_TRANSITIVE from now on."""


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """Where the registry is and how to get in."""

    url: str
    #: Whether a producer may put a schema in that it doesn't find: on a developer's machine, never in production.
    registers: bool = False
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    timeout_seconds: float = 5.0
