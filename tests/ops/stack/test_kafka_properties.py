from pathlib import Path

from ops.stack.kafka import Node, properties

NODES = [Node(1, 9092, 9093), Node(2, 9094, 9095), Node(3, 9096, 9097)]


def _parsed(nodes: list[Node]) -> dict[str, str]:
    text = properties(nodes[0], nodes, Path("/data/kafka-1"))
    return dict(line.split("=", 1) for line in text.splitlines())


def test_one_broker_keeps_one_copy() -> None:
    settings = _parsed(NODES[:1])
    assert settings["offsets.topic.replication.factor"] == "1"
    assert settings["transaction.state.log.min.isr"] == "1"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:9093"


def test_three_brokers_keep_three_copies_of_which_two_must_agree() -> None:
    settings = _parsed(NODES)
    for topic in ("transaction.state.log", "share.coordinator.state.topic"):
        assert settings[f"{topic}.replication.factor"] == "3"
        assert settings[f"{topic}.min.isr"] == "2"
    assert settings["min.insync.replicas"] == "2"


def test_everything_listens_on_loopback_alone() -> None:
    assert _parsed(NODES)["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"


def test_a_path_is_written_as_java_reads_it() -> None:
    text = properties(NODES[0], NODES[:1], Path("/data of José Ω/kafka-1"))
    assert "log.dirs=/data of Jos\\u00e9 \\u03a9/kafka-1\n" in text


def test_topics_do_not_appear_by_themselves() -> None:
    assert _parsed(NODES)["auto.create.topics.enable"] == "false"
