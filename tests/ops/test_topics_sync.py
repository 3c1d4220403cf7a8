"""`orderflow topics sync` as an operator meets it, on a real broker; each test has an environment of its own."""

import json
import sys
from collections.abc import Callable

import pytest

from ops.cli import main
from ops.stack import Addresses
from ops.stack.ports import choose
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, TOPICS
from streams.topics import Wanted, plan
from tests import topics

#: Runs `orderflow topics sync …`: exit code, stdout, stderr.
Sync = Callable[..., tuple[int, str, str]]

COUNT = len(TOPICS)


@pytest.fixture
def sync(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Sync:
    def running(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["orderflow", "topics", "sync", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        # By file descriptor: librdkafka writes past Python.
        out, err = capfd.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, out, err

    return running


@pytest.fixture
def env(stack: Addresses, unique: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ORDERFLOW_KAFKA_BOOTSTRAP", stack.kafka)
    monkeypatch.setenv("ORDERFLOW_ENVIRONMENT", unique)
    return unique


def there(stack: Addresses, env: str) -> list[str]:
    return [name for name in topics.admin(stack.kafka).partition_counts() if f".{env}." in name]


def retention(stack: Addresses, topic: str) -> str:
    return topics.setting_of(stack.kafka, topic, "retention.ms")


def summary(changed: int, refused: int = 0, *, would: bool = False) -> str:
    return f"{COUNT} topics declared, {changed} {'would change' if would else 'changed'}, {refused} refused\n"


@pytest.mark.connected
class TestOnABroker:
    def test_a_dry_run_names_every_topic_and_makes_none(self, stack: Addresses, env: str, sync: Sync) -> None:
        code, out, err = sync("--dry-run")
        assert (code, err) == (0, summary(COUNT, would=True))
        assert [line.split()[:2] for line in out.splitlines()] == [["+", f"{topic.name(env)}:"] for topic in TOPICS]
        assert there(stack, env) == []

    def test_all_topics_are_made_and_a_second_run_has_nothing_to_do(
        self, stack: Addresses, env: str, sync: Sync
    ) -> None:
        code, _, err = sync()
        assert (code, err) == (0, summary(COUNT))
        assert sorted(there(stack, env)) == sorted(topic.name(env) for topic in TOPICS)
        assert sync() == (0, "", summary(0))

    def test_what_somebody_else_made_since_we_looked_is_no_error(self, stack: Addresses, unique: str) -> None:
        wanted = [Wanted(f"{unique}-{number}", 1, 1, {}) for number in range(3)]
        changes = plan(wanted, {})
        for _ in range(2):
            topics.admin(stack.kafka).apply(changes, wanted)
        assert len(topics.admin(stack.kafka).find([each.name for each in wanted])) == 3

    def test_the_environment_can_be_named_on_the_spot(
        self, stack: Addresses, env: str, sync: Sync, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ORDERFLOW_ENVIRONMENT", "elsewhere")
        assert sync("--env", env)[0] == 0
        assert len(there(stack, env)) == COUNT
        assert there(stack, "elsewhere") == []

    def test_a_retention_cut_by_hand_is_put_back(self, stack: Addresses, env: str, sync: Sync) -> None:
        sync()
        name, declared = ORDERS_EVENTS.name(env), str(365 * 86_400_000)
        topics.alter(stack.kafka, name, "retention.ms", "3600000")
        assert sync() == (0, f"~ {name}: retention.ms 3600000 -> {declared}\n", summary(1))
        assert retention(stack, name) == declared

    def test_a_retention_drawn_out_by_hand_is_cut_only_when_asked_for(
        self, stack: Addresses, env: str, sync: Sync
    ) -> None:
        sync()
        name, declared = ORDERS_COMMANDS.name(env), str(14 * 86_400_000)
        topics.alter(stack.kafka, name, "retention.ms", "-1")
        code, out, _ = sync()
        assert code == 1
        assert out == (
            f"! {name}: retention.ms -1 -> {declared} "
            "(it would delete records; say --allow-shorter-retention if that is meant)\n"
        )
        assert retention(stack, name) == "-1"
        assert sync("--allow-shorter-retention")[0] == 0
        assert retention(stack, name) == declared

    def test_another_partition_count_is_refused_and_the_rest_is_done(
        self, stack: Addresses, env: str, sync: Sync
    ) -> None:
        name = ORDERS_EVENTS.name(env)
        topics.make(stack.kafka, name, partitions=5)
        topics.alter(stack.kafka, name, "retention.ms", str(365 * 86_400_000))
        code, out, err = sync()
        assert code == 1
        (refused,) = (line for line in out.splitlines() if line.startswith("!"))
        assert refused == (
            f"! {name}: partitions 5 -> 4 (keys would move away from their state; "
            "make the topic under another environment and replay into it)"
        )
        assert err.splitlines() == [
            summary(COUNT - 1, refused=1).strip(),
            "orderflow: 1 of the differences refused; each says why, and what to do",
        ]
        assert len(there(stack, env)) == COUNT

    def test_machines_get_the_same_as_json(self, env: str, sync: Sync) -> None:
        code, out, err = sync("--json")
        assert (code, err) == (0, summary(COUNT))
        made = json.loads(out)
        assert [(each["action"], each["topic"]) for each in made] == [("create", topic.name(env)) for topic in TOPICS]
        assert json.loads(sync("--json")[1]) == []


def test_a_kafka_that_is_away_is_named_with_the_reason_and_nothing_else_is_printed(
    sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = f"127.0.0.1:{choose(1)}"
    monkeypatch.setenv("ORDERFLOW_KAFKA_BOOTSTRAP", nobody)
    monkeypatch.setattr("streams.topics.REACH_SECONDS", 1.0)
    code, out, err = sync()
    assert (code, out) == (1, "")
    said, because = err.splitlines()
    assert said == (
        f"orderflow: Kafka at {nobody} doesn't answer: is it running (`orderflow status`), "
        "and is ORDERFLOW_KAFKA_BOOTSTRAP right?"
    )
    assert "Connection refused" in because
