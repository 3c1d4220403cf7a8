"""What is written, by whomever it was said."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ops.settings import Settings
from ops.worker.logs import BURST, WATCHED, WINDOW_SECONDS, CollapsingHandler, Repeats, configure


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("orderflow")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def settings(**given: Any) -> Settings:
    return Settings(log_format=given.pop("log_format", "json"), **given)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def logger() -> Any:
    return structlog.stdlib.get_logger("orderflow.test")


def test_a_line_is_an_object_with_what_it_is_about(stream: io.StringIO) -> None:
    configure(settings(), stream)
    logger().bind(service="orders", partition=3).warning(
        "dead letter", key="order-1", traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    )
    [line] = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "dead letter",
        "logger": "orderflow.test",
        "service": "orders",
        "partition": 3,
        "key": "order-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }


def test_libraries_are_heard_from_warning_on_in_the_same_form(stream: io.StringIO) -> None:
    configure(settings(log_level="DEBUG"), stream)
    for name in ("faust", "mode.services", "aiokafka.consumer", "librdkafka"):
        logging.getLogger(name).info("routine")
        logging.getLogger(name).warning("%s is away", "broker-1")
    assert [(line["logger"], line["level"], line["event"]) for line in lines(stream)] == [
        (name, "warning", "broker-1 is away") for name in ("faust", "mode.services", "aiokafka.consumer", "librdkafka")
    ]


def test_pythons_own_warnings_are_lines_too(stream: io.StringIO) -> None:
    configure(settings(), stream)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old", UserWarning, stacklevel=1)
    assert "UserWarning: old" in lines(stream)[0]["event"]


@pytest.mark.parametrize(("level", "heard"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_of_ours_the_level_decides(level: str, heard: int, stream: io.StringIO) -> None:
    configure(settings(log_level=level), stream)
    for each in ("debug", "info", "warning", "error"):
        getattr(logger(), each)("said")
    assert len(lines(stream)) == heard


def test_on_a_terminal_it_is_for_people_and_elsewhere_for_machines() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        configure(settings(log_format="auto"), stream)
        logger().info("started", service="orders")
    assert not terminal.getvalue().startswith("{")
    assert "started" in terminal.getvalue()
    assert lines(file)[0]["event"] == "started"


def test_people_can_be_served_in_a_file_too(stream: io.StringIO) -> None:
    configure(settings(log_format="pretty"), stream)
    logger().info("started", service="orders")
    assert "\x1b" not in stream.getvalue()
    assert "service=orders" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_the_value_of_a_secret_is_never_written(log_format: str, stream: io.StringIO) -> None:
    kafka_password, dsn = 'hunter"2', "postgresql://orderflow:hunter3@db/orders"
    configure(settings(log_format=log_format, kafka_sasl_password=kafka_password, postgres_dsn=dsn), stream)
    logger().info("joined", config={"sasl.password": kafka_password})
    logger().info(f"connects to {dsn}")
    logging.getLogger("aiokafka").error("login %s failed", kafka_password)
    logging.getLogger("httpx").error("no answer from https://reader:hunter4@registry/subjects")
    logger().error("failed", exc_info=RuntimeError(f"refused {kafka_password}"))
    assert "hunter" not in stream.getvalue()
    assert "https://reader:**********@registry/subjects" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_an_exception_comes_with_its_traceback_and_without_variables(log_format: str, stream: io.StringIO) -> None:
    configure(settings(log_format=log_format), stream)
    try:
        _log_in("hunter" + str(2))
    except RuntimeError:
        logger().exception("failed")
    assert "Traceback (most recent call last)" in stream.getvalue()
    assert "RuntimeError: broken" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def _log_in(_password: str) -> None:
    raise RuntimeError("broken")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def handler(stream: io.StringIO, clock: Clock) -> CollapsingHandler:
    return CollapsingHandler(stream, clock)


def say(handler: CollapsingHandler, text: str, level: int = logging.WARNING) -> None:
    handler.handle(logging.LogRecord("aiokafka", level, "", 0, text, None, None))


def test_what_is_said_again_and_again_is_counted_instead(
    handler: CollapsingHandler, stream: io.StringIO, clock: Clock
) -> None:
    for port in range(1_000):
        say(handler, f"connection from port {port} refused")
    assert len(stream.getvalue().splitlines()) == BURST
    say(handler, "something else")
    clock.now = WINDOW_SECONDS
    say(handler, "connection from port 7 refused")
    assert stream.getvalue().splitlines()[BURST:] == [
        "something else",
        f"{1_000 - BURST} more like this: connection from port # refused",
        "connection from port 7 refused",
    ]


def test_what_was_held_back_is_told_at_the_end(handler: CollapsingHandler, stream: io.StringIO) -> None:
    for _ in range(BURST + 2):
        say(handler, "refused")
    handler.close()
    assert stream.getvalue().splitlines()[BURST:] == ["2 more like this: refused"]


def test_news_are_never_held_back(handler: CollapsingHandler, stream: io.StringIO) -> None:
    for _ in range(100):
        say(handler, "started", logging.INFO)
    assert len(stream.getvalue().splitlines()) == 100


def test_the_same_of_two_services_is_not_the_same(stream: io.StringIO) -> None:
    configure(settings(), stream)
    for _ in range(BURST + 1):
        for service in ("orders", "payments"):
            logger().warning("broker away", service=service)
    logging.getLogger().handlers[0].close()
    said = [line["event"] for line in lines(stream)]
    assert said.count("broker away") == 2 * BURST
    assert sorted(said)[:2] == ["1 more of orders like this: broker away", "1 more of payments like this: broker away"]


def test_ever_new_lines_take_no_ever_growing_memory(clock: Clock) -> None:
    repeats = Repeats(clock)
    for number in range(3 * WATCHED):
        list(repeats.over())
        repeats.passes(("logger", "WARNING", "", "x" * number))
    assert repeats.watched <= WATCHED
