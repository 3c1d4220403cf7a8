"""Kafka in KRaft mode: one process per broker, each of them controller too."""

import base64
import json
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ops.stack import process
from ops.stack.artifacts import KAFKA_VERSION, Artifacts
from ops.stack.errors import BrokerCountError, StackError
from ops.stack.java import java
from ops.stack.layout import Layout
from ops.stack.part import Answer, LocalPart, PartStatus
from ops.stack.ports import HOST, comes_free
from ops.stack.state import State

DEFAULT_PORT = 9092
_START_SECONDS = 90
_STOP_SECONDS = 15
_ASK_SECONDS = 5
_LOG4J = Path(__file__).with_name("log4j2.properties")


@dataclass(frozen=True, slots=True)
class Node:
    """One broker with its two ports: for clients and for the other controllers."""

    id: int
    port: int
    controller_port: int

    @property
    def name(self) -> str:
        return node_name(self.id)


def node_name(node_id: int) -> str:
    return f"kafka-{node_id}"


def properties(node: Node, nodes: Sequence[Node], data: Path) -> str:
    """The server.properties of one broker."""
    replicas = min(len(nodes), 3)
    settings: Mapping[str, object] = {
        "process.roles": "broker,controller",
        "node.id": node.id,
        # Static voters: their addresses stand here and not in the data, so a port may change between two runs.
        "controller.quorum.voters": ",".join(f"{n.id}@{HOST}:{n.controller_port}" for n in nodes),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": f"PLAINTEXT://{HOST}:{node.port},CONTROLLER://{HOST}:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{node.port}",
        "log.dirs": data,
        # A topic without a schema and an owner is a mistake here; it must not appear by itself.
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": max(1, replicas - 1),
        "group.initial.rebalance.delay.ms": 0,
        # For tests that kill a worker: its group must not wait six seconds, the default, for the dead.
        "group.min.session.timeout.ms": 1000,
        # A killed broker may register again only when its old session has ended. One that is alone has the default: it
        # is not to lose its session, and with it every partition, because the machine was busy for a moment.
        "broker.session.timeout.ms": 3000 if replicas > 1 else 9000,
        "broker.heartbeat.interval.ms": 500,
        **_internal_topics(replicas),
    }
    return "".join(f"{key}={_escaped(str(value))}\n" for key, value in settings.items())


def _escaped(value: str) -> str:
    """A path may hold what java.util.Properties doesn't read as it is: backslashes, and whatever is not ASCII."""
    return json.dumps(value)[1:-1]  # the escapes of JSON are among those of properties


def _internal_topics(replicas: int) -> dict[str, object]:
    settings: dict[str, object] = {"offsets.topic.num.partitions": 4, "offsets.topic.replication.factor": replicas}
    for topic in ("transaction.state.log", "share.coordinator.state.topic"):
        settings[f"{topic}.num.partitions"] = 4
        settings[f"{topic}.replication.factor"] = replicas
        settings[f"{topic}.min.isr"] = max(1, replicas - 1)
    return settings


def ask(client_settings: Mapping[str, str], *, brokers: int = 1, seconds: float = _ASK_SECONDS) -> Answer | None:
    """By metadata: an answer when at least that many brokers are in the cluster."""
    from confluent_kafka import KafkaException  # noqa: PLC0415 -- `orderflow --help` stays quick
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415

    # log_level 0: a broker that is away is what we ask about, not something for librdkafka to print.
    settings: dict[str, str | int | float | bool] = {**client_settings, "log_level": 0, "reconnect.backoff.max.ms": 200}
    try:
        client = AdminClient(settings)
        return Answer() if len(client.list_topics(timeout=seconds).brokers) >= brokers else None
    except KafkaException:
        return None


def _client(bootstrap: str) -> dict[str, str]:
    return {"bootstrap.servers": bootstrap}


class Kafka(LocalPart):
    name = "kafka"

    def __init__(self, layout: Layout, state: State, artifacts: Artifacts, *, brokers: int | None) -> None:
        self._layout = layout
        self._state = state
        self._artifacts = artifacts
        self._wanted_brokers = brokers

    def settle_broker_count(self) -> int:
        """How many brokers there are to be: as asked for, as the data has it, or one."""
        existing = self._state.brokers
        count = self._wanted_brokers or existing or 1
        if existing not in (None, count):
            raise BrokerCountError(wanted=count, existing=existing, data_dir=self._layout.root)
        self._state.remember_brokers(count)
        return count

    def start(self) -> str:
        nodes = self._nodes(range(1, self.settle_broker_count() + 1))
        bootstrap = ",".join(f"{HOST}:{node.port}" for node in nodes)
        jars = self._artifacts.kafka_jars()
        for node in nodes:
            self._format(node, nodes, jars)
        launches = [self._launch(node, nodes, jars) for node in nodes]
        # All of them before waiting for any: a quorum needs the others.
        processes = [process.find(launch.directory) or process.start(launch) for launch in launches]
        for node, launch, running in zip(nodes, launches, processes, strict=True):
            process.wait_ready(
                launch,
                running,
                port=node.port,
                answers=lambda: ask(_client(bootstrap), brokers=len(nodes), seconds=1) is not None,
                seconds=_START_SECONDS,
            )
        return bootstrap

    def down(self) -> bool:
        running = list(self._running().values())
        # Together: of three brokers the last would wait in vain for a quorum to say goodbye to.
        process.stop(running, seconds=_STOP_SECONDS)
        return bool(running)

    def status(self) -> PartStatus:
        ids = range(1, (self._state.brokers or 1) + 1)
        ports = [port for i in ids if (port := self._state.port(node_name(i)))]
        bootstrap = ",".join(f"{HOST}:{port}" for port in ports) or None
        running = self._running()
        healthy = (
            bootstrap is not None and len(running) == len(ids) and ask(_client(bootstrap), brokers=len(ids)) is not None
        )
        pids = tuple(running[i].pid for i in sorted(running))
        return PartStatus(self.name, bootstrap, KAFKA_VERSION, healthy, pids, "local")

    def logs(self) -> list[Path]:
        return [self._layout.log(node_name(i)) for i in range(1, (self._state.brokers or 1) + 1)]

    def _running(self) -> dict[int, psutil.Process]:
        """Whatever brokers of this data dir there are, even if its record is gone."""
        found = process.find_all(self._layout.root).items()
        brokers = {path.name.partition("-"): server for path, server in found}
        return {int(number): server for (name, _, number), server in brokers.items() if name == self.name}

    def _nodes(self, ids: Sequence[int]) -> list[Node]:
        """Their ports as remembered. A port that someone took moves, and then the running brokers must hear of it."""
        running = self._running()
        if any(self._must_move(i) for i in ids if i not in running) or any(not self._port_known(i) for i in running):
            self.down()
            running = {}
        return [self._node(i, keep=i in running) for i in ids]

    def _must_move(self, node_id: int) -> bool:
        return any(port is not None and not comes_free(port) for port in self._remembered(node_id))

    def _port_known(self, node_id: int) -> bool:
        return None not in self._remembered(node_id)

    def _remembered(self, node_id: int) -> tuple[int | None, int | None]:
        name = node_name(node_id)
        return self._state.port(name), self._state.port(f"{name}-controller")

    def _node(self, node_id: int, *, keep: bool) -> Node:
        port, controller_port = self._remembered(node_id)
        if keep and port and controller_port:
            return Node(node_id, port, controller_port)
        name, default = node_name(node_id), DEFAULT_PORT + 2 * (node_id - 1)
        return Node(
            node_id,
            self._state.claim_port(name, default),
            self._state.claim_port(f"{name}-controller", default + 1),
        )

    def _format(self, node: Node, nodes: Sequence[Node], jars: Sequence[Path]) -> None:
        if self._layout.part(node.name).exists():
            return
        unfinished = self._layout.unfinished(node.name)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        config = unfinished / "format.properties"
        config.write_text(properties(node, nodes, unfinished), encoding="utf-8")
        arguments = ("kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster_id()}", "-c", str(config))
        log_option = f"-Dorderflow.log={self._layout.log(node.name)}"
        run = subprocess.run(
            java(log_option, f"-Dlog4j2.configurationFile={_LOG4J}", *arguments, class_path=jars),
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise StackError(f"Kafka could not format {unfinished}:\n{run.stdout}{run.stderr}")
        config.unlink()
        unfinished.rename(self._layout.part(node.name))

    def _cluster_id(self) -> str:
        """The same for all brokers, without having to be written down before the first of them is formatted."""
        return base64.urlsafe_b64encode(uuid.uuid5(uuid.NAMESPACE_URL, str(self._layout.root)).bytes).decode()[:22]

    def _launch(self, node: Node, nodes: Sequence[Node], jars: Sequence[Path]) -> process.Launch:
        data, log = self._layout.part(node.name), self._layout.log(node.name)
        # Beside the data, as Kafka takes every directory in there for a partition.
        config = self._layout.root / f"{node.name}.properties"
        config.write_text(properties(node, nodes, data), encoding="utf-8")
        heap = "-Xmx1g" if len(nodes) == 1 else "-Xmx512m"
        options = (
            heap,
            # It lives for minutes mostly, on two cores, beside those it serves: a collector that takes least from them,
            # and no compiler that takes ten seconds of a core to pay off long after that.
            "-XX:+UseParallelGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dorderflow.log={log}",
            f"-Dlog4j2.configurationFile={_LOG4J}",
            f"-D{process.marker(data)}",
        )
        command = java(*options, "kafka.Kafka", str(config), class_path=jars)
        return process.Launch(node.name, data, command, log, process.environment())
