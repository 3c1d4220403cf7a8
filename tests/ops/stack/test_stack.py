"""A stack of this module's own, to be killed and mishandled; all in one group, as two cores carry one such test."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from ops.settings import Settings
from ops.stack import Addresses, Stack, process
from ops.stack.artifacts import Artifacts
from ops.stack.errors import BrokerCountError, PartFailedError
from ops.stack.kafka import Kafka
from ops.stack.layout import Layout
from ops.stack.progress import Silent
from ops.stack.state import State
from ops.stack.waiting import wait_until
from tests.ops.stack.test_cli import ORDERFLOW, run

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]

SCHEMA = Schema(json.dumps({"type": "record", "name": "Kept", "fields": []}), "AVRO")


def _stack(project: Path, *, brokers: int | None = None) -> Stack:
    return Stack(Settings(data_dir=project / ".orderflow"), brokers=brokers)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    project = tmp_path_factory.mktemp("a project")
    yield project
    _stack(project).down(purge=True)
    assert _ours(project) == []


@pytest.fixture(scope="module")
def kept(project: Path) -> Addresses:
    """A record, a row and a schema that every test must leave intact; and the addresses at first."""
    addresses = _stack(project).up()
    _create_topic(addresses, copies=1)
    with psycopg.connect(addresses.postgres) as connection:
        connection.execute("create table kept as select 'a row' as value")
    with SchemaRegistryClient({"url": addresses.registry}) as registry:
        registry.register_schema("kept-value", SCHEMA)
    return addresses


def _create_topic(addresses: Addresses, *, copies: int) -> None:
    admin = AdminClient({"bootstrap.servers": addresses.kafka})
    admin.create_topics([NewTopic("kept", 1, copies)])["kept"].result(30)
    producer = Producer({"bootstrap.servers": addresses.kafka, "acks": "all"})
    producer.produce("kept", b"a record")
    assert producer.flush(30) == 0


def _record(addresses: Addresses) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": addresses.kafka, "group.id": "kept", "auto.offset.reset": "earliest"})
    try:
        consumer.assign([TopicPartition("kept", 0, 0)])
        message = consumer.poll(30)
        return message.value() if message is not None else None
    finally:
        consumer.close()


def _assert_kept(addresses: Addresses) -> None:
    assert _record(addresses) == b"a record"
    with psycopg.connect(addresses.postgres) as connection:
        assert connection.execute("select value from kept").fetchone() == ("a row",)
    with SchemaRegistryClient({"url": addresses.registry}) as registry:
        assert registry.get_latest_version("kept-value").schema.schema_type == "AVRO"


def _ours(project: Path) -> list[psutil.Process]:
    parts = ("kafka-1", "kafka-2", "kafka-3", "postgres", "registry")
    return [found for part in parts if (found := process.find(project / ".orderflow" / part)) is not None]


def _pids(project: Path) -> dict[str, tuple[int, ...]]:
    return {part.name: part.pids for part in _stack(project).status()}


def _kill(*victims: psutil.Process) -> None:
    for victim in victims:
        victim.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not any(map(process.is_running, victims)), seconds=10)


def test_up_again_touches_nothing_that_runs(project: Path, kept: Addresses) -> None:
    _stack(project).up()
    before = _pids(project)
    assert _stack(project).up() == kept
    assert _pids(project) == before


@pytest.mark.parametrize("part", ["kafka-1", "postgres", "registry"])
def test_up_heals_a_killed_part_and_leaves_the_others_alone(project: Path, kept: Addresses, part: str) -> None:
    _stack(project).up()
    before = _pids(project)
    victim = process.find(project / ".orderflow" / part)
    assert victim is not None
    _kill(victim)
    assert [p.name for p in _stack(project).status() if not p.pids] == [part.removesuffix("-1")]
    assert _stack(project).up() == kept
    _assert_kept(kept)
    changed = {name for name, pids in _pids(project).items() if pids != before[name]}
    assert changed == {part.removesuffix("-1")}


def test_up_heals_after_everything_was_killed(project: Path, kept: Addresses) -> None:
    _stack(project).up()
    _kill(*_ours(project))
    assert _stack(project).up() == kept
    _assert_kept(kept)


def test_down_leaves_nothing_running_and_the_data(project: Path, kept: Addresses) -> None:
    _stack(project).up()
    _stack(project).down()
    assert _ours(project) == []
    assert _stack(project).up() == kept
    _assert_kept(kept)


def test_a_stale_postmaster_pid_of_a_living_stranger_does_not_matter(project: Path, kept: Addresses) -> None:
    _stack(project).down()
    stranger = psutil.Process()
    lines = [str(stranger.pid), str(project / ".orderflow" / "postgres"), "0", "5432", "", "127.0.0.1", "", "ready"]
    (project / ".orderflow" / "postgres" / "postmaster.pid").write_text("\n".join(lines), encoding="utf-8")
    assert _stack(project).up() == kept
    assert stranger.is_running()
    _assert_kept(kept)


def test_a_part_moves_when_its_port_was_taken_and_stays_there(project: Path, kept: Addresses) -> None:
    _stack(project).down()
    port = int(kept.kafka.rsplit(":", 1)[1])
    with socket.create_server(("127.0.0.1", port)):
        moved = _stack(project).up()
    assert moved.kafka != kept.kafka
    assert (moved.postgres, moved.registry) == (kept.postgres, kept.registry)
    _assert_kept(moved)
    assert _stack(project).up() == moved
    _stack(project).down()
    # Back, for the tests that compare addresses.
    state = project / ".orderflow" / "stack.json"
    remembered = json.loads(state.read_text(encoding="utf-8"))
    remembered["ports"]["kafka-1"] = port
    state.write_text(json.dumps(remembered), encoding="utf-8")


def test_two_ups_at_once_make_one_stack(project: Path, kept: Addresses) -> None:
    _stack(project).down()
    ups = [
        subprocess.Popen([ORDERFLOW, "up"], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(2)
    ]
    outputs = [up.communicate(timeout=100)[0] for up in ups]
    assert [up.returncode for up in ups] == [0, 0]
    assert outputs[0] == outputs[1]
    assert all(len(pids) == 1 for pids in _pids(project).values())
    _assert_kept(kept)


@pytest.mark.proof
def test_the_registry_follows_a_database_that_moved(project: Path, kept: Addresses) -> None:
    _stack(project).up()
    victim = process.find(project / ".orderflow" / "postgres")
    assert victim is not None
    _kill(victim)
    port = psycopg.conninfo.conninfo_to_dict(kept.postgres)["port"]
    with socket.create_server(("127.0.0.1", int(str(port)))):
        moved = _stack(project).up()
    assert moved.postgres != kept.postgres
    _assert_kept(moved)
    _stack(project).down()
    state = project / ".orderflow" / "stack.json"
    remembered = json.loads(state.read_text(encoding="utf-8"))
    remembered["ports"]["postgres"] = int(str(port))
    state.write_text(json.dumps(remembered), encoding="utf-8")


def test_a_part_that_cannot_start_shows_why(project: Path, kept: Addresses) -> None:
    _stack(project).down()
    control = project / ".orderflow" / "postgres" / "global" / "pg_control"
    control.rename(control.with_name("elsewhere"))
    try:
        with pytest.raises(PartFailedError, match="postgres ended while starting") as raised:
            _stack(project).up()
    finally:
        control.with_name("elsewhere").rename(control)
    assert "pg_control" in "".join(raised.value.log_tail)
    assert _stack(project).up() == kept


def test_another_number_of_brokers_is_refused_before_anything_starts(project: Path, kept: Addresses) -> None:
    assert kept.kafka.count(":") == 1
    _stack(project).down()
    with pytest.raises(BrokerCountError, match=r"--brokers 1, .*orderflow down --purge && orderflow up --brokers 3"):
        _stack(project, brokers=3).up()
    assert _ours(project) == []


def test_everything_listens_on_loopback_alone(project: Path, kept: Addresses) -> None:
    assert _stack(project).up() == kept
    listening = {
        connection.laddr.ip.removeprefix("::ffff:")
        for server in _ours(project)
        for connection in server.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_a_schema_must_be_compatible_with_all_before_it(project: Path, kept: Addresses) -> None:
    _stack(project).up()
    with SchemaRegistryClient({"url": kept.registry}) as registry:
        assert registry.get_config().compatibility_level == "FULL_TRANSITIVE"


@pytest.mark.parametrize("part", ["kafka", "postgres", "registry"])
def test_an_operator_can_read_the_log_of_every_part(project: Path, kept: Addresses, part: str) -> None:
    assert _stack(project).up() == kept
    done = run("logs", part, "-n", "3", cwd=project)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3


def test_a_start_that_was_killed_half_way_is_begun_anew(tmp_path: Path) -> None:
    root = tmp_path / ".orderflow"
    for part in ("kafka-1", "postgres"):
        half = root / f"{part}.unfinished"
        half.mkdir(parents=True)
        (half / "half-written").touch()
    try:
        _stack(tmp_path).up()
        assert list(root.glob("*.unfinished")) == []
    finally:
        _stack(tmp_path).down(purge=True)
    assert _ours(tmp_path) == []
    assert [path.name for path in root.iterdir()] == ["stack.lock"]


@pytest.mark.proof
@pytest.mark.slow
def test_three_brokers_keep_a_record_when_one_is_killed(tmp_path: Path) -> None:
    try:
        addresses = _stack(tmp_path, brokers=3).up()
        assert addresses.kafka.count(":") == 3
        _create_topic(addresses, copies=3)
        victim = process.find(tmp_path / ".orderflow" / "kafka-2")
        assert victim is not None
        _kill(victim)
        assert _record(addresses) == b"a record"
        assert _stack(tmp_path).up() == addresses
        assert len(_pids(tmp_path)["kafka"]) == 3
    finally:
        _stack(tmp_path).down(purge=True)
    assert _ours(tmp_path) == []


def test_a_cluster_id_that_begins_like_an_option_is_one_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Kafka, "_cluster_id", lambda _self: "-gBVXtZfQ4GD4hJ0X1SgCQ")
    settings = Settings(data_dir=tmp_path / ".orderflow")
    layout = Layout(settings.data_dir)
    layout.make()
    kafka = Kafka(layout, State(layout.state), Artifacts(Silent().download), brokers=1)
    try:
        assert kafka.up()
    finally:
        kafka.down()
