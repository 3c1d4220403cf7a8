import logging

from streams.kafka.quiet import SECONDS, Seldom


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("aiokafka", logging.ERROR, "", 0, message, arguments, None)


def test_a_message_is_said_again_only_after_a_while_whatever_its_arguments() -> None:
    now = 0.0
    seldom = Seldom(lambda: now)
    assert seldom.filter(record("Unable connect to node with id %s", 1))
    assert not seldom.filter(record("Unable connect to node with id %s", 2))
    assert seldom.filter(record("another"))
    now += SECONDS
    assert seldom.filter(record("Unable connect to node with id %s", 1))
