"""Everything that was ever said is said again to services at work: nothing comes of it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import TopicPartition

from ops.reading import Part, Reader, unseen
from ops.rebuild.events import compare, tables_of
from ops.rebuild.site import Site
from ops.replay import asking
from ops.replay.asking import Targets, Wish
from ops.replay.run import Places, Replay
from ops.stack import Addresses
from ops.stack.waiting import wait_until
from schemas.checkout import CheckoutCompleted, CheckoutFailed
from schemas.topics import PARTITIONS, PAYMENTS_COMMANDS, TOPICS
from streams.kafka.topics import own_topic_of
from streams.replay import is_copy
from tests.sagas.cases import CUP, POT, RARE, cart, cart_of
from tests.sagas.town import SECONDS, Town
from tests.sagas.witness import BY_NAME

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.proof, pytest.mark.timeout(420)]

SAGAS = 40
ITEMS = (((CUP, 2), (POT, 1)), ((CUP, 1),), ((POT, 3), (RARE, 1)), ((RARE, 2),))
STOCK = {CUP: 4 * SAGAS, POT: 4 * SAGAS, RARE: SAGAS // 4}


def lying(reader: Reader, topics: list[str]) -> Mapping[str, tuple[list[tuple[int, str, bytes]], int]]:
    """Of each topic, the records that are no copies, and how many are."""
    found = {}
    for topic in topics:
        records = reader.to_the_end(Part(topic, number) for number in range(reader.topics()[topic]))
        new = [(each.part.partition, each.key, each.id.encode()) for each in records if not is_copy(each.headers)]
        found[topic] = (sorted(new), len(records) - len(new))
    return found


def skipped(town: Town) -> dict[str, int]:
    """By service, how many copies its worker has seen."""
    (worker,) = town.workers
    page = httpx.get(f"{worker.events('starting')[-1]['http']}/metrics", timeout=5).text
    name = "orderflow_records_replayed_total"
    lines = [line for line in page.splitlines() if line.startswith(name)]
    return {line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in lines}


def parts(topic: str) -> list[Part]:
    return [Part(topic, number) for number in range(PARTITIONS)]


def orderflow(town: Town, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Where its worker has its data."""
    settings = town.settings | {"ORDERFLOW_DATA_DIR": str(town.workers[0].log.parent)}
    command = [str(Path(sys.executable).with_name("orderflow")), *arguments]
    return subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def states(town: Town) -> dict[str, Any]:
    town.witness.look()
    return {name: town.witness.states(name) for name in BY_NAME}


def test_all_topics_replayed_into_running_services_change_nothing_and_their_inputs_give_their_state(
    stack: Addresses, unique: str, tmp_path: Path
) -> None:
    with closing(Town(stack, unique, tmp_path, workers=1, gateway="rough")) as town:
        town.open()
        town.stock(STOCK)
        town.publish(*(cart(str(number), ITEMS[number % len(ITEMS)]) for number in range(SAGAS)))
        town.until_ended(SAGAS)
        assert {type(end) for end in town.witness.ends()} == {CheckoutCompleted, CheckoutFailed}
        assert town.balance(STOCK) == []
        ground = town.witness.ground
        business = [topic.name(unique) for topic in TOPICS if not topic.compacted]
        with Reader(ground.client, ground.codec) as reader:
            before, kept, money = lying(reader, business), states(town), town.ledger.movements()
            places = Places(ground.client, unique, reader, ground.codec)
            copied: dict[str, int] = {}
            for topic in (*business, *(own_topic_of(name, unique) for name in BY_NAME)):
                run, plan, left = asking.resolved(places, Wish(topic), Targets(), None)
                copied[topic] = Replay(places, run, plan, rate=None, left=left).go(unseen).copied
            # What lies on its own topic a service knows when it has told it to itself: it doesn't read it.
            heard = {
                name: sum(copied[topic.name(unique)] for topic in service.topics) for name, service in BY_NAME.items()
            }
            assert wait_until(lambda: skipped(town) == heard, seconds=SECONDS), (skipped(town), heard)
            assert sum(heard.values()) > 20 * SAGAS

            # Whoever would answer a copy would have done so before what follows it.
            town.publish(cart("after all", ITEMS[1]))
            town.until_ended(SAGAS + 1)
            assert town.balance(STOCK) == []
            about = {cart_of("after all"), town.witness.ends(cart_of("after all"))[0].checkoutId, CUP}
            after, now = lying(reader, business), states(town)
            for topic, (said, _) in before.items():
                assert after[topic][1] == copied[topic]
                assert [each for each in after[topic][0] if each[1] not in about] == [
                    each for each in said if each[1] not in about
                ]
            for name, each in kept.items():
                assert {key: state for key, state in now[name].items() if key not in about} == {
                    key: state for key, state in each.items() if key not in about
                }
            assert town.ledger.movements()[: len(money)] == money
            assert {each.payment_id for each in town.ledger.movements()[len(money) :]} <= about
            assert town.witness.dead_letters() == []

            ran = orderflow(town, "state", "rebuild", "orders")
            assert (ran.returncode, "is at work" in ran.stderr) == (1, True), ran
            assert town.workers[0].stop(SECONDS) == 0
            for service in BY_NAME.values():
                site = Site(service, unique, ground.client, reader=reader, codec=ground.codec)
                for number in site.numbers(None):
                    found = compare(site, number, tables_of(site), unseen)
                    assert found.sound, found

            ran = orderflow(town, "state", "rebuild", "orders")
            assert (ran.returncode, len(ran.stdout.splitlines())) == (0, PARTITIONS), ran
            ran = orderflow(town, "state", "rebuild", "payments", "--from-events", "--json")
            assert ran.returncode == 0, ran
            assert all(json.loads(line)["sound"] for line in ran.stdout.splitlines())
            commands = PAYMENTS_COMMANDS.name(unique)
            number, (_, end) = max(
                ((part.partition, bounds) for part, bounds in reader.bounds(parts(commands)).items()),
                key=lambda each: each[1],
            )
            for done in ground.admin.delete_records([TopicPartition(commands, number, end)]).values():
                done.result(SECONDS)
            ran = orderflow(town, "state", "rebuild", "payments", "--from-events")
            assert ran.returncode == 1, ran
            assert f"{commands}[{number}] begins at offset {end}: what was before is gone (retention)" in ran.stdout
            assert " missing, all of it: " in ran.stdout
            assert ran.stderr.endswith(f"1 of 4 partitions of payments.{unique} are not what their inputs give\n")
