"""What we override of Faust, aiokafka and mode, or use of their insides: whoever raises a version is told what to read.

A digest that fails is no bug yet. Read the difference of that piece between the two versions with the reason beside it
in mind, run the tests of this directory, and only then write down the new digest.
"""

import hashlib
import importlib
import inspect
from importlib.metadata import version
from typing import Any, NamedTuple

import pytest

from streams.kafka import control, coordinator


class Piece(NamedTuple):
    where: str
    #: Of its source.
    digest: str
    #: What we rely on.
    why: str


PIECES = [
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._send_req",
        "fa4b12e914ce9fcf",
        "every request to the coordinator goes through it, and a failed one raises",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator.reset_generation",
        "537aa37c531b4de9",
        "it is called wherever the coordinator said that we are no member",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._maybe_leave_group",
        "016cd88a16e6c4b5",
        "it alone sends LeaveGroup, and resets the generation",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._do_commit_offsets",
        "c3a3ea5613f39cac",
        "it makes its request before it first waits, ignores the assignment, raises on any refusal",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator.check_errors",
        "ba6ca51ad34838d9",
        "it raises what the coordination met and lets it go on",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._push_error_to_user",
        "743ff515bd7e2e38",
        "the coordination rests until `check_errors` is called or we close",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator.close",
        "f30d831089456312",
        "it ends the coordination, then leaves the group",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator.__init__",
        "9e729f077efc4f3a",
        "it starts the coordination; these are its settings",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._coordination_routine",
        "75273e127d4a4f5d",
        "whatever is no KafkaError ends the coordination for good",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._GroupCoordinator__coordination_routine",
        "f814463c6b44a195",
        "a KafkaError does not end it; it watches the heartbeat",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator.ensure_active_group",
        "33c84c1a93012e81",
        "it revokes before it joins, once per rebalance, and doesn't join while we are idle",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._on_join_prepare",
        "4d9524afc0ee2c2f",
        "it waits for the listener, and swallows what that raises",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._on_join_complete",
        "0b0b3d204b408f3c",
        "the assignor hears of the assignment before the listener",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._heartbeat_routine",
        "61d01028952239d0",
        "it leaves the group once the idle time reaches the poll interval",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._do_heartbeat",
        "dc1d6632aaa68e96",
        "it sends HeartbeatRequest through `_send_req`",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._stop_heartbeat_task",
        "b3022a920670abc0",
        "it ends the heartbeat",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:GroupCoordinator._stop_commit_offsets_refresh_task",
        "c621b6c8285084b6",
        "it ends the refreshing of offsets, which nobody asks for",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:CoordinatorGroupRebalance.perform_group_join",
        "ff2c2109b2e9868d",
        "it sets the generation before SyncGroup is sent",
    ),
    Piece(
        "aiokafka.consumer.group_coordinator:CoordinatorGroupRebalance._send_sync_group_request",
        "7429ca078ddf9bb7",
        "it sends SyncGroupRequest through `_send_req`; its success makes us a member",
    ),
    Piece(
        "aiokafka.consumer.subscription_state:SubscriptionState.fetcher_idle_time",
        "45289bef04d7a4e3",
        "the heartbeat and the rejoining ask it, and nothing else does",
    ),
    Piece(
        "aiokafka.consumer.subscription_state:SubscriptionState.register_fetch_waiters",
        "db7aa916eaa56ad8",
        "it sets what `abort_waiters` reads",
    ),
    Piece(
        "aiokafka.consumer.subscription_state:SubscriptionState.abort_waiters",
        "fa0941110268427d",
        "it reads the fetcher's waiters, and fails where none were registered",
    ),
    Piece("aiokafka.consumer.subscription_state:SubscriptionState.__init__", "3eebc20e837865e3", "it needs no fetcher"),
    Piece(
        "aiokafka.consumer.subscription_state:SubscriptionState.subscribe",
        "71a89cc701a288db",
        "the coordinator hears of the subscription and its listener by it",
    ),
    Piece(
        "aiokafka.consumer.subscription_state:SubscriptionState.assigned_partitions",
        "92937855f4e1a6e6",
        "what the group has given us",
    ),
    Piece(
        "aiokafka.client:AIOKafkaClient.bootstrap",
        "198943b004e55849",
        "it tries every server once and raises KafkaConnectionError",
    ),
    Piece(
        "aiokafka.client:AIOKafkaClient.set_topics",
        "9f9b55d6d8997834",
        "waiting for it waits for the metadata of all these topics",
    ),
    Piece("aiokafka.client:AIOKafkaClient.close", "02119d4d618ae493", "it closes every connection"),
    Piece(
        "faust.app.base:App._on_partitions_revoked",
        "d5c895bbe57dc73a",
        "it calls of the consumer only what `_Member` has, and of no producer",
    ),
    Piece(
        "faust.app.base:App._on_partitions_assigned",
        "de932b7927db85b3",
        "it calls of the consumer only what `_Member` has; any error of it crashes the app",
    ),
    Piece("faust.app.base:App.on_init_dependencies", "7621a70a9b01f93f", "the boot strategy says what is started"),
    Piece("faust.app.base:App.on_first_start", "ec655d9c223403cc", "it does nothing but make directories"),
    Piece(
        "faust.app.base:App.on_stop",
        "bfe5a933defb2324",
        "it only stops fetching, flushes the producer and closes an HTTP client",
    ),
    Piece("faust.app.base:App.on_rebalance_start", "5c1e23de30674082", "it notes that a rebalance is under way"),
    Piece("faust.app.base:App.on_rebalance_end", "b7ff69e1e3772f30", "it notes that the rebalance is over"),
    Piece(
        "faust.app.base:App._new_consumer",
        "bff6ccd646b71ea9",
        "the consumer is made by our transport, with these arguments",
    ),
    Piece("faust.app.base:App._new_conductor", "ef3dbf0ce1428ea7", "the conductor is made by our transport"),
    Piece(
        "faust.app.base:BootStrategy.server",
        "97e47ea1dec34b55",
        "what we leave out: sensors, producer, web server, leader election, replies",
    ),
    Piece("faust.transport.base:Transport.create_consumer", "46cc2bf5ab14acfa", "it makes `Transport.Consumer`"),
    Piece("faust.transport.base:Transport.create_conductor", "eeedfbe95f17eff1", "it makes `Transport.Conductor`"),
    Piece(
        "faust.transport.conductor:Conductor._subscriber",
        "2a79085834048049",
        "it subscribes once agents and tables are ready",
    ),
    Piece(
        "faust.transport.conductor:Conductor._update_indices",
        "619b3247b96ac7d5",
        "it collects the names of the topics that were added",
    ),
    Piece(
        "faust.transport.conductor:Conductor.on_partitions_assigned",
        "616e9729131cf0bb",
        "it lays routes for records and nothing else",
    ),
    Piece("faust.transport.consumer:ensure_TPset", "2f0ed8a809d8ac6e", "it makes Faust's partitions of aiokafka's"),
    Piece(
        "faust.transport.drivers.aiokafka:credentials_to_aiokafka_auth",
        "364c9c9c68523c50",
        "it makes aiokafka's settings of Faust's credentials",
    ),
    Piece("faust.tables.manager:TableManager.__init__", "f13ed9db7ccd1a53", "it starts no recovery by itself"),
    Piece("faust.tables.manager:TableManager.add", "4c5232ce6ba15f0a", "it knows the changelog topic from then on"),
    Piece(
        "faust.tables.manager:TableManager.on_start",
        "365dd25fbc0e0684",
        "it starts channels and recovery, and sleeps a second",
    ),
    Piece("faust.tables.manager:TableManager.on_stop", "351be149c0360de5", "it stops the fetcher and the recovery"),
    Piece("faust.tables.manager:TableManager.on_partitions_revoked", "382852adff42ab99", "it tells the recovery only"),
    Piece(
        "faust.tables.manager:TableManager.on_rebalance", "2d2c23a07bf54328", "it is where Faust would start to recover"
    ),
    Piece(
        "faust.tables.manager:TableManager.wait_until_tables_registered",
        "e9bed5b158eeba36",
        "it waits for `_tables_registered`",
    ),
    Piece(
        "faust.tables.manager:TableManager.wait_until_recovery_completed",
        "e0f224aba177e99d",
        "it asks whether the app is stopped already",
    ),
    Piece(
        "faust.tables.base:Collection._changelog_topic_name",
        "f341fe97037b4ac8",
        "`Group.changelog` is made the same way",
    ),
    Piece(
        "faust.assignor.partition_assignor:PartitionAssignor.on_assignment",
        "72f34bf053d696b5",
        "it keeps what `assigned_actives` and `assigned_standbys` tell",
    ),
    Piece(
        "faust.assignor.partition_assignor:PartitionAssignor.assigned_actives",
        "cd131e5935099dda",
        "the partitions that are ours",
    ),
    Piece(
        "faust.assignor.partition_assignor:PartitionAssignor.assigned_standbys",
        "c3cff09409143afd",
        "the partitions that we stand by for",
    ),
    Piece(
        "faust.assignor.partition_assignor:PartitionAssignor._get_copartitioned_groups",
        "82b7a3764ad596f6",
        "topics with one partition count and the same subscribers are divided alike",
    ),
    Piece(
        "faust.assignor.copartitioned_assignor:CopartitionedAssignor",
        "71f50fd84ef06b98",
        "it divides, sticks to what was, and promotes standbys",
    ),
    Piece(
        "mode.services:Service.stop",
        "e17cd2b6bd01e861",
        "it stops us before our children, and those in the reverse order of their start",
    ),
    Piece("mode.services:Service.crash", "14980000465df0af", "it keeps the reason at every service above"),
    Piece(
        "mode.services:Service._actually_start",
        "def664241401b666",
        "what a child raises at its start comes out of the start of the app",
    ),
]

OURS = [
    coordinator.Coordinator,
    coordinator.Subscription,
    *(getattr(control, name) for name in ("_App", "_Boot", "_Conductor", "_Tables")),
]


def found(where: str) -> Any:
    module, _, path = where.partition(":")
    piece: Any = importlib.import_module(module)
    for name in path.split("."):
        piece = inspect.getattr_static(piece, name)
    match piece:
        case property():
            return piece.fget
        case classmethod() | staticmethod():
            return piece.__func__
    # mode wraps what a service runs in the background.
    return getattr(piece, "fun", piece)


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.where)
def test_a_piece_of_others_is_still_what_we_read(piece: Piece) -> None:
    digest = hashlib.sha256(inspect.getsource(found(piece.where)).encode()).hexdigest()[:16]
    assert digest == piece.digest, (
        f"{piece.where} has changed. We rely on this: {piece.why}. Read what changed, see that it still holds in "
        f"streams/kafka/, run tests/streams/kafka, then make its digest {digest}"
    )


@pytest.mark.parametrize(
    ("package", "pinned"), [("aiokafka", "0.14.0"), ("faust-streaming", "0.15.3"), ("mode-streaming", "0.7.1")]
)
def test_the_versions_are_those_that_were_read(package: str, pinned: str) -> None:
    assert version(package) == pinned, (
        f"{package} is not {pinned}: pyproject.toml pins it exactly, for streams/kafka/ stands on its insides. "
        "See which pieces below changed; then pin the new version there and here"
    )


@pytest.mark.parametrize("ours", OURS, ids=lambda ours: ours.__name__)
def test_every_override_of_ours_is_watched(ours: type) -> None:
    watched = {piece.where.rpartition(".")[2] for piece in PIECES}
    [theirs] = ours.__bases__
    overridden = {
        name for name, value in vars(ours).items() if isinstance(value, property) or inspect.isfunction(value)
    } & {name for base in theirs.__mro__[:-1] for name in vars(base)}
    assert overridden - {"__init__"} <= watched
