"""The examples as a stranger runs them: own processes, addresses by environment, Node and npm from their wheel."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from confluent_kafka import Producer
from filelock import FileLock

from ops.stack import Addresses
from schemas.avsc import Schema, avro_schema
from schemas.message import Message
from schemas.shopping import CartCheckedOut
from streams.confluent import ConfluentRegistry
from streams.registry import subject_of
from tests import topics

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sys.executable).parent
RUN_SECONDS = 60
INSTALL_SECONDS = 110
#: No power of two, so that a client which hashes almost like Java is found out.
PARTITIONS = 7

Language = Literal["python", "node"]


def cart_ids(count: int) -> list[str]:
    return [str(uuid.uuid5(uuid.NAMESPACE_URL, f"cart {i}")) for i in range(count)]


@pytest.fixture(scope="session")
def node_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """examples/node with its packages, installed once per run, outside of the repository."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "node-examples"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            installing = shared.with_name("node-examples-installing")
            shutil.copytree(EXAMPLES / "node", installing, ignore=shutil.ignore_patterns("node_modules"))
            npm = str(BIN / "npm")
            subprocess.run([npm, "ci"], cwd=installing, check=True, timeout=INSTALL_SECONDS, capture_output=True)
            installing.rename(shared)
    return shared


@dataclass(frozen=True, slots=True)
class Stranger:
    """Someone with the examples, on an environment of the test's own."""

    stack: Addresses
    environment: str
    registry: ConfluentRegistry
    node_examples: Path

    @property
    def topic(self) -> str:
        return f"carts.{self.environment}.events"

    def run(self, language: Language, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        program, file = {
            "python": (Path(sys.executable), EXAMPLES / "python" / f"{script}.py"),
            "node": (BIN / "node", self.node_examples / f"{script}.mjs"),
        }[language]
        return subprocess.run(
            [program, file, *arguments],
            env=os.environ
            | {
                "ORDERFLOW_KAFKA_BOOTSTRAP": self.stack.kafka,
                "ORDERFLOW_REGISTRY_URL": self.stack.registry,
                "ORDERFLOW_ENVIRONMENT": self.environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_SECONDS,
        )

    def produce(self, language: Language, ids: list[str]) -> list[dict[str, Any]]:
        return _lines(self.run(language, "produce", *ids))

    def consume(self, language: Language, count: int) -> list[dict[str, Any]]:
        return _lines(self.run(language, "consume", str(count)))

    def register(self, message: type[Message], schema: Schema | None = None) -> int:
        return self.registry.register(subject_of(message, self.environment), schema or avro_schema(message))

    def publish(self, key: str, *values: bytes | None) -> None:
        """As they are, without any example."""
        producer = Producer({"bootstrap.servers": self.stack.kafka, "partitioner": "murmur2_random"})
        for value in values:
            producer.produce(self.topic, key=key, value=value)
        assert producer.flush(30) == 0


@pytest.fixture
def stranger(stack: Addresses, unique: str, node_examples: Path) -> Iterator[Stranger]:
    with closing(ConfluentRegistry({"url": stack.registry}, registers=True)) as registry:
        someone = Stranger(stack, unique, registry, node_examples)
        topics.make(stack.kafka, someone.topic, partitions=PARTITIONS)
        someone.register(CartCheckedOut)
        yield someone


def _lines(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
