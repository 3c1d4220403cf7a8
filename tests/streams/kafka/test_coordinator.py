"""What moves the lease, with a clock in hand and answers made up."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import IllegalGenerationError, RebalanceInProgressError, RequestTimedOutError, UnknownMemberIdError
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from streams.kafka.coordinator import Coordinator, Subscription
from streams.kafka.group import Group
from streams.kafka.lease import Lease

SECONDS = 8.0
GENERATION = 3

#: What the broker does with a request.
Answer = Callable[[], Any]


class Member:
    """A coordinator whose requests are answered by the test."""

    def __init__(self) -> None:
        self.now = 100.0
        self.lease = Lease(SECONDS, lambda: self.now)
        group = Group("orders.dev", frozenset({"carts"}), 4)
        self.coordinator = Coordinator(AIOKafkaClient(), Subscription(lambda: True), None, self.lease, group)
        self.coordinator.generation = GENERATION
        self.coordinator.member_id = "us"
        self.answer: Answer = lambda: None

    async def sync(self) -> None:
        self.answer = self.say(0)
        await self.coordinator._send_req(SyncGroupRequest("orders.dev", GENERATION, "us", None, []))  # noqa: SLF001

    async def beat(self, answer: Answer) -> None:
        self.answer = answer
        await self.coordinator._do_heartbeat()  # noqa: SLF001

    def say(self, code: int, after: float = 0.0) -> Answer:
        def answering() -> Any:
            self.now += after
            return SimpleNamespace(error_code=code)

        return answering


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Member], Coroutine[Any, Any, None]]], None]:
    async def with_member(test: Callable[[Member], Awaitable[None]]) -> None:
        member = Member()

        async def send(_coordinator: GroupCoordinator, request: HeartbeatRequest | SyncGroupRequest) -> Any:
            return member.answer()

        monkeypatch.setattr(GroupCoordinator, "_send_req", send)
        try:
            await test(member)
        finally:
            member.coordinator.generation = -1  # there is no group to leave
            await member.coordinator.close()

    return lambda test: asyncio.run(with_member(test))


Run = Callable[[Callable[[Member], Coroutine[Any, Any, None]]], None]


def test_a_heartbeat_counts_from_when_it_was_sent(run: Run) -> None:
    async def test(member: Member) -> None:
        await member.sync()
        member.now += 5.0
        await member.beat(member.say(0, after=2.0))
        member.now += SECONDS - 2.1
        assert member.lease.holds()
        member.now += 0.2
        assert not member.lease.holds()

    run(test)


@pytest.mark.parametrize("error", [RebalanceInProgressError, RequestTimedOutError])
def test_an_answer_that_is_no_plain_yes_renews_nothing_and_ends_nothing(run: Run, error: type[Any]) -> None:
    async def test(member: Member) -> None:
        await member.sync()
        member.now += 5.0

        def answering() -> Any:
            if error is RequestTimedOutError:
                raise error
            return SimpleNamespace(error_code=error.errno)

        await member.beat(answering)
        assert member.lease.holds()
        member.now += 3.1
        assert not member.lease.holds()

    run(test)


@pytest.mark.parametrize("error", [UnknownMemberIdError, IllegalGenerationError])
def test_who_is_no_member_any_more_stops_writing_at_once(run: Run, error: type[Any]) -> None:
    async def test(member: Member) -> None:
        await member.sync()
        await member.beat(member.say(error.errno))
        assert not member.lease.holds()

    run(test)


def test_a_heartbeat_under_way_does_not_bring_back_what_was_given_up(run: Run) -> None:
    async def test(member: Member) -> None:
        await member.sync()

        def answering() -> Any:
            member.coordinator.forfeit()
            return SimpleNamespace(error_code=0)

        await member.beat(answering)
        assert not member.lease.holds()

    run(test)


def test_who_leaves_gives_up_its_lease_before_the_group_hears_of_it(run: Run) -> None:
    async def test(member: Member) -> None:
        await member.sync()
        held: list[bool] = []

        def answering() -> Any:
            held.append(member.lease.holds())
            return SimpleNamespace(error_code=0)

        member.answer = answering
        await member.coordinator.maybe_leave_group()
        assert held == [False]

    run(test)
