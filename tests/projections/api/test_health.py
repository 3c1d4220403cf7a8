import dataclasses

import httpx
import pytest
from confluent_kafka import Producer
from psycopg import Connection

from ops.stack import Addresses
from ops.stack.ports import any_free
from projections.api import health
from projections.api.app import Site, create
from projections.models import MODELS
from schemas.topics import ORDERS_COMMANDS
from tests.projections.api import rows
from tests.projections.api.conftest import Serve
from tests.projections.api.test_problems import problem

NAMES = [model.name for model in MODELS]
pytestmark = pytest.mark.connected


@pytest.fixture
def topic(unique: str, pipeline: None) -> str:
    return ORDERS_COMMANDS.name(unique)


def at(connection: Connection, topic: str, offset: int, *models: str) -> None:
    for model in models or NAMES:
        rows.put(connection, f"{model}.progress", topic=topic, partition=0, topic_id="an id", next_offset=offset)


def test_it_lives_whatever_is_away(site: Site, serve: Serve) -> None:
    nowhere = f"127.0.0.1:{any_free()}"
    lonely = dataclasses.replace(
        site, kafka={"bootstrap.servers": nowhere, "log_level": "0"}, dsn=f"postgresql://x@{nowhere}/x"
    )
    api = serve(create(lonely))
    assert api.get("/health").json() == {"status": "alive"}
    problem(api.get("/ready"), "busy")


def test_it_is_ready_once_every_model_is_near_the_end_of_its_topics(
    api: httpx.Client, connection: Connection, topic: str
) -> None:
    at(connection, topic, 0)
    assert api.get("/ready").json() == {"status": "ready"}
    assert {each["model"]: each["behind"] for each in api.get("/positions").json()["models"]} == dict.fromkeys(NAMES, 0)


def test_it_is_not_ready_while_a_model_is_far_behind(
    api: httpx.Client, connection: Connection, topic: str, stack: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer({"bootstrap.servers": stack.kafka})
    for _ in range(7):
        producer.produce(topic, b"", partition=0)
    producer.flush(30)
    at(connection, topic, 7, "payments", "inventory", "checkouts")
    at(connection, topic, 2, "orders")
    assert {each["model"]: each["behind"] for each in api.get("/positions").json()["models"]}["orders"] == 5
    assert api.get("/ready").status_code == 200
    monkeypatch.setattr(health, "MOST_BEHIND", 4)
    assert "orders by 5" in problem(api.get("/ready"), "behind").detail


def test_it_is_not_ready_before_anything_was_projected(api: httpx.Client, connection: Connection, topic: str) -> None:
    at(connection, topic, 0, "orders")
    words = problem(api.get("/ready"), "behind").detail
    assert "payments, inventory, checkouts" in words
    assert "orderflow projection run" in words


def test_it_is_not_ready_while_kafka_does_not_answer(site: Site, serve: Serve, connection: Connection) -> None:
    at(connection, "a.topic", 0)
    nowhere = {"bootstrap.servers": f"127.0.0.1:{any_free()}", "log_level": "0"}
    problem(serve(create(dataclasses.replace(site, kafka=nowhere))).get("/ready"), "kafka-away")


def test_who_asks_often_asks_kafka_and_database_no_more_than_once_a_second(
    api: httpx.Client, connection: Connection, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 60)
    at(connection, topic, 0)
    assert api.get("/ready").status_code == 200
    connection.execute("DELETE FROM orders.progress")
    assert api.get("/ready").status_code == 200
