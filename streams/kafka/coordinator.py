"""aiokafka's side of the group protocol, without its fetcher. What it hears of the coordinator moves the lease."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.kafka.group import Group
from streams.kafka.lease import Lease

#: Between attempts to reach a broker that is away.
BACKOFF_SECONDS = 0.5
#: Time to drain and commit when the group rebalances; who takes longer is put out of the group.
REBALANCE_SECONDS = 20.0
#: A request to join is answered only when all have rejoined, and no request may be given up before its answer is due.
REQUEST_SECONDS = REBALANCE_SECONDS + 10


class Subscription(SubscriptionState):  # type: ignore[misc] # aiokafka has no types
    """aiokafka's record of what we subscribe to."""

    def __init__(self, alive: Callable[[], bool]) -> None:
        super().__init__()
        self._alive = alive
        # A fetcher's, which would be told of errors; without one the attribute is missing just then.
        self.register_fetch_waiters(())

    @property
    def fetcher_idle_time(self) -> float:
        """Seconds since somebody worked, which the heartbeat compares with the poll interval.

        A worker whose data plane lives is never idle, so one without partitions remains a member (Faust's own leaves
        for good, robinhood/faust#517). One whose data plane is stuck leaves at its next heartbeat.
        """
        return 0.0 if self._alive() else math.inf


class Coordinator(GroupCoordinator):  # type: ignore[misc] # aiokafka has no types
    """A member that holds a lease."""

    def __init__(
        self, client: AIOKafkaClient, subscription: Subscription, assignor: Any, lease: Lease, group: Group
    ) -> None:
        self._lease = lease
        #: The generation that the lease was granted for.
        self._granted: int | None = None
        #: When the last request was sent that was answered as to a member.
        self.member_at = lease.now()
        session_millis = int(group.session_seconds * 1000)
        super().__init__(
            client,
            subscription,
            group_id=group.name,
            assignors=(assignor,),
            enable_auto_commit=False,
            session_timeout_ms=session_millis,
            heartbeat_interval_ms=session_millis // 4,
            rebalance_timeout_ms=int(REBALANCE_SECONDS * 1000),
            retry_backoff_ms=int(BACKOFF_SECONDS * 1000),
            # Our idle time is nothing or without end, so any interval will do.
            max_poll_interval_ms=session_millis,
        )

    async def _send_req(self, request: Any) -> Any:
        sent_at, generation = self._lease.now(), self.generation
        response = await super()._send_req(request)
        if isinstance(request, SyncGroupRequest) and _well(response):
            self._granted = generation
            self._renew(sent_at)
        # RebalanceInProgress renews nothing, though aiokafka goes on as if all were well and the coordinator does keep
        # the session: who hasn't rejoined when the rebalance times out loses its partitions, heartbeats or not.
        elif isinstance(request, HeartbeatRequest) and _well(response) and generation == self._granted:
            self._renew(sent_at)
        return response

    def _renew(self, sent_at: float) -> None:
        self.member_at = sent_at
        self._lease.renew(sent_at)

    def forfeit(self) -> None:
        """Give the lease up; a heartbeat that is still under way doesn't bring it back."""
        self._granted = None
        self._lease.lose()

    def reset_generation(self) -> None:
        self.forfeit()
        super().reset_generation()

    async def _maybe_leave_group(self) -> None:
        self.forfeit()
        await super()._maybe_leave_group()

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit once, for the generation that we are in now; aiokafka's own way repeats it without end."""
        await self._do_commit_offsets(None, offsets)

    def ended(self) -> bool:
        """Whether the task that keeps us in the group is gone, which is a bug."""
        return bool(self._coordination_task.done())

    async def abandon(self) -> None:
        """End what `close` leaves behind when it is cut short."""
        await self._stop_heartbeat_task()
        await self._stop_commit_offsets_refresh_task()


def _well(response: Any) -> bool:
    return for_code(response.error_code) is NoError
