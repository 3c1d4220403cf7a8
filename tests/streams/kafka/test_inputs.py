"""What several services of a process read is fetched once, and nobody misses or hears anything twice for that."""

from collections import defaultdict
from collections.abc import Iterator

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from ops.stack import Addresses
from ops.stack.waiting import wait_until
from schemas.topics import ORDERS_EVENTS
from streams.kafka import inputs
from streams.kafka.inputs import Inputs
from tests.streams.kafka.counting import counter
from tests.streams.kafka.engines import SECONDS, Ground

pytestmark = pytest.mark.connected

MANY = 60


class Desk:
    """Readers by name, and the offsets that each was given, in order."""

    def __init__(self, ground: Ground) -> None:
        self.topic = ORDERS_EVENTS.name(ground.environment)
        self.inputs: Inputs[str] = Inputs(ground.client)
        self.given: defaultdict[str, list[int]] = defaultdict(list)
        self.errors: defaultdict[str, list[int]] = defaultdict(list)

    def place(self, offset: int) -> TopicPartition:
        return TopicPartition(self.topic, 0, offset)

    def read(self) -> None:
        for reader, share in self.inputs.read(1_000, 0.1).items():
            for by_topic in share.records.values():
                self.given[reader] += [record.offset() for record in by_topic[self.topic]]
            for record in share.errors:
                error = record.error()
                assert error is not None
                self.errors[reader].append(error.code())

    def until(self, **wanted: range) -> None:
        def given() -> bool:
            self.read()
            return all(len(self.given[reader]) >= len(offsets) for reader, offsets in wanted.items())

        assert wait_until(given, seconds=SECONDS)
        assert {reader: self.given[reader] for reader in wanted} == {
            reader: list(offsets) for reader, offsets in wanted.items()
        }

    @property
    def fetchers(self) -> int:
        return len(self.inputs._fetchers)  # noqa: SLF001 - what it is about; nobody else has to know


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(counter("one"))
    return ground


@pytest.fixture
def desk(ground: Ground) -> Iterator[Desk]:
    desk = Desk(ground)
    put(ground, MANY)
    yield desk
    desk.inputs.close()


def put(ground: Ground, count: int) -> None:
    for _ in range(count):
        ground.put(ORDERS_EVENTS, b"", b"key", partition=0)
    ground.flush()


def test_each_reads_from_where_he_is(desk: Desk) -> None:
    desk.inputs.add("one", [desk.place(OFFSET_BEGINNING)])
    desk.inputs.add("two", [desk.place(20)])
    desk.until(one=range(MANY), two=range(20, MANY))
    assert desk.fetchers == 1


def test_who_comes_later_gets_what_the_others_have_had(desk: Desk, ground: Ground) -> None:
    desk.inputs.add("one", [desk.place(OFFSET_BEGINNING)])
    desk.until(one=range(MANY))
    desk.inputs.add("two", [desk.place(5)])
    put(ground, 1)
    desk.until(one=range(MANY + 1), two=range(5, MANY + 1))
    assert desk.fetchers == 1


def test_who_is_far_behind_is_read_for_apart_until_he_has_caught_up(
    desk: Desk, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "NEAR", 10)
    desk.inputs.add("one", [desk.place(OFFSET_BEGINNING)])
    desk.until(one=range(MANY))
    desk.inputs.add("two", [desk.place(5)])
    assert desk.fetchers == 2
    desk.inputs.bring_together()
    assert desk.fetchers == 2
    desk.until(two=range(5, MANY))
    desk.inputs.bring_together()
    assert desk.fetchers == 1
    put(ground, 3)
    desk.until(one=range(MANY + 3), two=range(5, MANY + 3))


def test_who_goes_can_come_back_and_go_on(desk: Desk, ground: Ground) -> None:
    for reader in ("one", "two"):
        desk.inputs.add(reader, [desk.place(OFFSET_BEGINNING)])
    desk.until(one=range(MANY), two=range(MANY))
    left = desk.inputs.remove("two")
    assert left == [desk.place(MANY)]
    put(ground, 2)
    desk.until(one=range(MANY + 2))
    assert len(desk.given["two"]) == MANY
    desk.inputs.add("two", left)
    desk.until(two=range(MANY + 2))


def test_a_place_that_nobody_reads_any_more_is_not_fetched(desk: Desk) -> None:
    desk.inputs.add("one", [desk.place(OFFSET_BEGINNING)])
    assert desk.inputs.remove("one", 1) == []
    assert desk.inputs.remove("one", 0) == [desk.place(0)]
    desk.read()
    assert not desk.given


def test_all_hear_that_their_place_is_gone_and_say_where_to_go_on(desk: Desk, ground: Ground) -> None:
    next(iter(ground.admin.delete_records([desk.place(30)]).values())).result(SECONDS)
    for reader in ("one", "two"):
        desk.inputs.add(reader, [desk.place(10)])

    def heard() -> bool:
        desk.read()
        return len(desk.errors) == 2

    assert wait_until(heard, seconds=SECONDS)
    gone = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001 - librdkafka's own codes begin so
    assert desk.errors == {"one": [gone], "two": [gone]}
    for reader in ("one", "two"):
        desk.inputs.add(reader, [desk.place(30)])
    desk.until(one=range(30, MANY), two=range(30, MANY))


def test_what_goes_wrong_where_nobody_reads_any_more_is_nobodys(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        """Of a partition that was given up while this was on its way."""

        topic, partition = staticmethod(lambda: desk.topic), staticmethod(lambda: 1)
        error = staticmethod(lambda: KafkaError(KafkaError._AUTO_OFFSET_RESET))  # noqa: SLF001

    desk.inputs.add("one", [desk.place(OFFSET_BEGINNING)])
    with monkeypatch.context() as late:
        late.setattr(inputs, "fetched", lambda *_: [Gone()])
        desk.read()
    assert not desk.errors
    desk.until(one=range(MANY))


def test_how_much_is_left_is_known_of_each(desk: Desk, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "NEAR", 10)
    desk.inputs.add("one", [desk.place(OFFSET_BEGINNING)])
    desk.until(one=range(MANY))
    assert desk.inputs.lag("one", 0) == 0
    left = desk.inputs.remove("one")
    put(ground, 1)
    desk.inputs.add("two", [desk.place(MANY)])
    desk.until(two=range(MANY, MANY + 1))
    desk.inputs.add("one", left)
    assert (desk.inputs.lag("one", 0), desk.inputs.lag("two", 0)) == (1, 0)
    assert desk.inputs.lag("one", 1) == 0
