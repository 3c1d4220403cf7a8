"""Commands: published once for all repeats, whatever breaks in between."""

import dataclasses
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition
from psycopg import Connection

from ops.stack import Addresses
from ops.stack.ports import any_free
from ops.stack.waiting import wait_until
from projections.api.app import Site, create
from projections.api.keys import Scope, mint
from schemas.identity import checkout_id
from schemas.message import Message
from schemas.orders import CancelOrder
from schemas.shopping import CartCheckedOut
from schemas.topics import PARTITIONS
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.partitioner import partition_of
from tests.projections.api import rows
from tests.projections.api.conftest import Serve
from tests.projections.api.rows import CUSTOMER, ORDER
from tests.projections.api.test_problems import CART, KEY, problem

pytestmark = pytest.mark.connected


class Log:
    """What lies on a topic."""

    def __init__(self, stack: Addresses, environment: str) -> None:
        self._registry = ConfluentRegistry({"url": stack.registry})
        self._codec = Codec(self._registry, environment)
        self._client = {"bootstrap.servers": stack.kafka, "group.id": environment, "enable.partition.eof": True}
        self._environment = environment

    def close(self) -> None:
        self._registry.close()

    def of(self, kind: type[Message]) -> list[tuple[bytes, Message]]:
        """Keys and messages, as they are there now."""
        topic = kind.contract.topic
        assert topic is not None
        places = [TopicPartition(topic.name(self._environment), number, 0) for number in range(PARTITIONS)]
        with closing(Consumer(self._client)) as consumer:
            consumer.assign(places)
            return list(self._read(consumer))

    def _read(self, consumer: Consumer) -> Iterator[tuple[bytes, Message]]:
        ended = 0
        while ended < PARTITIONS:
            record = consumer.poll(30)
            assert record is not None
            if record.error():
                ended += 1
                continue
            key, message = record.key() or b"", self._codec.decode(record.value())
            assert isinstance(message, Message)
            assert record.partition() == partition_of(key, PARTITIONS)
            yield key, message


@pytest.fixture
def log(stack: Addresses, unique: str, pipeline: None) -> Iterator[Log]:
    with closing(Log(stack, unique)) as log:
        yield log


def buy(api: httpx.Client, key: str = "one", **changes: Any) -> httpx.Response:
    return api.post("/checkouts", json=CART | changes, headers={"Idempotency-Key": key})


def test_a_checkout_is_accepted_once_kafka_has_it_and_found_where_it_says(api: httpx.Client, log: Log) -> None:
    answer = buy(api, discount=1)
    assert answer.status_code == 202
    accepted = answer.json()
    [(key, cart)] = log.of(CartCheckedOut)
    assert isinstance(cart, CartCheckedOut)
    assert key.decode() == cart.cartId == accepted["cartId"]
    assert (cart.customerId, cart.subtotal, cart.discount, cart.total) == (CUSTOMER, 1, 1, 0)
    assert accepted["checkoutId"] == checkout_id(cart.cartId, 1)
    assert answer.headers["Location"] == f"/checkouts/{accepted['checkoutId']}"
    assert api.get(answer.headers["Location"]).json()["status"] == "ACCEPTED"


def test_a_cancellation_is_accepted_once_kafka_has_it(api: httpx.Client, log: Log) -> None:
    answer = api.post(f"/orders/{ORDER}/cancel", json={"reason": "FRAUD"}, headers=KEY)
    assert (answer.status_code, answer.json()) == (202, {"orderId": ORDER, "reason": "FRAUD"})
    assert answer.headers["Location"] == f"/orders/{ORDER}"
    [(key, command)] = log.of(CancelOrder)
    assert isinstance(command, CancelOrder)
    assert (key.decode(), command.orderId, command.reason) == (ORDER, ORDER, "FRAUD")


def test_a_repeat_gets_the_same_answer_and_publishes_nothing(api: httpx.Client, log: Log) -> None:
    first = buy(api)
    # The same, in other words.
    text = json.dumps(dict(reversed(CART.items())), indent=4)
    again = api.post("/checkouts", content=text, headers=KEY | {"Content-Type": "application/json"})
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert len(log.of(CartCheckedOut)) == 1


def test_repeats_at_once_get_one_answer_and_are_one_command_to_the_services(api: httpx.Client, log: Log) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: buy(api), range(12)))
    assert {each.status_code for each in answers} == {202}
    assert len({each.text for each in answers}) == 1
    assert len(set(log.of(CartCheckedOut))) == 1  # to the last field: whoever reads it twice has read it once


def test_one_that_was_published_but_not_written_down_is_published_again_as_it_was(
    api: httpx.Client, connection: Connection, log: Log
) -> None:
    first = buy(api)
    connection.execute("UPDATE access.requests SET accepted = NULL")  # as a crash at that line leaves it
    assert buy(api).text == first.text
    once, twice = log.of(CartCheckedOut)
    assert once == twice


def test_a_key_that_is_used_for_something_else_is_refused(api: httpx.Client, log: Log) -> None:
    buy(api)
    assert "needs a new Idempotency-Key" in problem(buy(api, currency="USD"), "key-reused").detail
    problem(api.post(f"/orders/{ORDER}/cancel", json={"reason": "FRAUD"}, headers=KEY), "key-reused")
    assert len(log.of(CartCheckedOut)) == 1
    assert log.of(CancelOrder) == []


def test_keys_of_different_clients_have_nothing_to_do_with_each_other(
    site: Site, serve: Serve, connection: Connection, log: Log
) -> None:
    api = serve(create(dataclasses.replace(site, asks_for_keys=True)))
    ids = []
    for client in ("shop", "market", "shop"):  # the third is a new key of the first
        key = mint(connection, client, [Scope.WRITE])
        answer = api.post("/checkouts", json=CART, headers=KEY | {"Authorization": f"Bearer {key}"})
        ids.append(answer.json()["checkoutId"])
    assert ids[0] == ids[2] != ids[1]


def test_a_key_expires_and_even_then_the_same_request_is_the_same_checkout(
    api: httpx.Client, connection: Connection, log: Log
) -> None:
    first = buy(api).json()["checkoutId"]
    connection.execute("UPDATE access.requests SET expires_at = now() - interval '1 second'")
    assert buy(api).json()["checkoutId"] == first
    connection.execute("UPDATE access.requests SET expires_at = now() - interval '1 second'")
    other = buy(api, currency="USD")
    assert other.status_code == 202
    assert other.json()["checkoutId"] != first


def test_what_has_expired_is_taken_away_by_whoever_comes_next(
    api: httpx.Client, connection: Connection, log: Log
) -> None:
    for number in range(8):
        buy(api, f"old {number}".replace(" ", "-"))
    connection.execute("UPDATE access.requests SET expires_at = now() - interval '1 second'")
    buy(api, "new")
    assert connection.execute("SELECT idempotency_key FROM access.requests").fetchall() == [("new",)]


def test_while_kafka_is_away_nothing_is_accepted_and_the_repeat_acts_once(
    site: Site, serve: Serve, connection: Connection, log: Log
) -> None:
    nowhere = dataclasses.replace(
        site, kafka={"bootstrap.servers": f"127.0.0.1:{any_free()}", "log_level": "0"}, delivery_seconds=1
    )
    cut_off = serve(create(nowhere))
    refused = buy(cut_off)
    assert "same Idempotency-Key" in problem(refused, "kafka-away").detail
    assert refused.headers["Retry-After"] == "2"
    assert connection.execute("SELECT accepted FROM access.requests").fetchall() == [(None,)]
    assert buy(serve(create(site))).status_code == 202
    assert len(log.of(CartCheckedOut)) == 1


def test_without_schemas_in_the_registry_nothing_is_accepted(api: httpx.Client) -> None:
    problem(buy(api), "kafka-away")


def test_a_checkout_that_is_waited_for_is_answered_with_its_end(
    api: httpx.Client, connection: Connection, log: Log
) -> None:
    accepted = buy(api).json()
    with ThreadPoolExecutor(2) as pool:
        asked = httpx.QueryParams(wait="terminal", timeout=30)
        posted = pool.submit(api.post, "/checkouts", json=CART, headers=KEY, params=asked)
        got = pool.submit(api.get, f"/checkouts/{accepted['checkoutId']}", params=asked)
        ids = {"cart_id": accepted["cartId"], "order_id": accepted["checkoutId"]}
        rows.checkout(connection, accepted["checkoutId"], **ids, ended_at=rows.AT)
        for answer in (posted.result(40), got.result(40)):
            assert (answer.status_code, answer.json()["status"]) == (200, "COMPLETED")


def test_a_checkout_that_was_turned_away_is_found_by_its_cart(
    api: httpx.Client, connection: Connection, log: Log
) -> None:
    accepted = buy(api).json()
    why = {"reason": "INVALID", "detail": "because", "customer_id": CUSTOMER, "version": 1}
    rows.put(connection, "checkouts.rejections", cart_id=accepted["cartId"], rejected_at=rows.AT, **why)
    answer = api.get(f"/checkouts/{accepted['checkoutId']}", params={"wait": "terminal"})
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["reason"], answer.json()["detail"]) == (
        "REJECTED",
        "INVALID",
        "because",
    )


def test_a_checkout_that_has_not_ended_in_time_is_202_with_what_is_known(
    api: httpx.Client, connection: Connection, log: Log
) -> None:
    accepted = buy(api).json()
    rows.checkout(connection, accepted["checkoutId"], cart_id=accepted["cartId"])
    answer = api.get(f"/checkouts/{accepted['checkoutId']}", params={"wait": "terminal", "timeout": 0.2})
    assert (answer.status_code, answer.json()["status"]) == (202, "STARTED")
    asked = httpx.QueryParams(wait="terminal", timeout=0.2)
    assert api.post("/checkouts", json=CART, headers=KEY, params=asked).status_code == 202


def test_a_cancellation_that_is_waited_for_is_answered_with_the_order(
    api: httpx.Client, connection: Connection, log: Log
) -> None:
    rows.order(connection)
    asked = httpx.QueryParams(wait="terminal", timeout=30)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.post, f"/orders/{ORDER}/cancel", json={"reason": "FRAUD"}, headers=KEY, params=asked)
        assert wait_until(lambda: len(log.of(CancelOrder)) == 1, seconds=30)
        rows.step(connection, 1, "CREATED", "CANCELLED")
        answer = waiting.result(40)
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


def test_a_checkout_that_nobody_knows_is_not_found(api: httpx.Client) -> None:
    problem(api.get(f"/checkouts/{ORDER}"), "not-found")
    problem(api.get(f"/checkouts/{ORDER}", params={"wait": "terminal", "timeout": 0.1}), "not-found")
