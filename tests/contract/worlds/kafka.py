"""Real Kafka as a world: workers are processes, and what came of them is read from topics alone."""

import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import count
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple, cast

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from ops.stack import Addresses
from ops.stack.waiting import wait_until
from schemas.avsc import avro_schema
from schemas.message import Message
from schemas.topics import Topic
from streams.changelog import Marker, Place, decode
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.effects import Perform, Policy
from streams.fold import Fold
from streams.kafka.fetched import Fetched
from streams.kafka.topics import changelog_of, dead_letters_of, group_of, internal_topics, own_topic_of
from streams.kafka.wire import DEAD_LETTER
from streams.producer import Outgoing, deliver
from streams.registry import subject_of
from streams.service import Service
from streams.state import StateCodec
from streams.step import Entry
from streams.topics import TopicAdmin, plan, wanted
from tests.contract.worlds import MARKED, NOBODY, Letter
from tests.contract.worlds.moments import EXIT_CODE, Moment
from tests.contract.worlds.worker import Job, work

#: Long, for two cores may run all tests at once; a quiet machine needs a tenth of it.
SECONDS = 60.0
#: So long a group waits for those that were killed; and for those that kill themselves, who are waited for more often.
SESSION_SECONDS = 3.0
DOOMED_SESSION_SECONDS = 1.5
#: What the first to ask for a group on a new broker may hear.
_NO_COORDINATOR_YET = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}

# It imports all that a worker needs once, and forks: a process of its own takes milliseconds.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.contract.worlds.worker"])


class Where(NamedTuple):
    """The stack, and what of it belongs to one test."""

    stack: Addresses
    environment: str
    directory: Path
    #: Whether workers keep their state in RocksDB, where the next one finds it.
    durable: bool


class _Worker(NamedTuple):
    process: ForkServerProcess
    log: Path
    #: Whether it is to come to its end by itself.
    doomed: bool


class KafkaWorld:
    def __init__(
        self,
        where: Where,
        *services: Service[Any, Any],
        dies_at: Moment | None = None,
        perform: Mapping[type, Perform] = NOBODY,
        policies: Mapping[type, Policy] = NOBODY,
    ) -> None:
        self.environment = where.environment
        self._where = where
        self._services = services
        self._dies_at = dies_at
        self._perform = dict(perform)
        self._policies = dict(policies)
        self._client = {"bootstrap.servers": where.stack.kafka}
        self._admin = AdminClient({**self._client, "log_level": 3})
        self._registry = ConfluentRegistry({"url": where.stack.registry}, registers=True)
        self._codec = Codec(self._registry, where.environment)
        self._workers: dict[str, list[_Worker]] = defaultdict(list)
        self._names = count(1)
        self._crashes = 0
        self._prepare()

    @property
    def now(self) -> int:
        return int(time.time() * 1000)

    def publish(self, *messages: Message) -> None:
        deliver(self._client, [self._outgoing(message) for message in messages])

    def copy(self, *messages: Message) -> None:
        deliver(self._client, [self._outgoing(message)._replace(headers=(MARKED,)) for message in messages])

    def run(self) -> None:
        self.until(self._is_quiet)

    def until(self, condition: Callable[[], bool]) -> None:
        for service in self._services:
            if not self._workers[service.name]:
                self._start(service, self._dies_at)

        def holds() -> bool:
            self._look_after()
            return condition()

        if not wait_until(holds, seconds=SECONDS):
            raise AssertionError(f"it did not come to pass in {SECONDS:.0f} s. {self._status()}")

    def crash(self, service: Service[Any, Any]) -> None:
        for worker in self._workers.pop(service.name):
            worker.process.kill()
            worker.process.join(SECONDS)
        self._start(service, None)

    def rewind(self, service: Service[Any, Any]) -> None:
        for worker in self._workers.pop(service.name):
            worker.process.terminate()
            worker.process.join(SECONDS)
            _expect_a_good_end(worker)
        places = [TopicPartition(place.topic, place.partition, 0) for place in self._inputs(service)]
        asked = [ConsumerGroupTopicPartitions(group_of(service.name, self.environment), places)]
        for future in self._admin.alter_consumer_group_offsets(asked).values():
            future.result(SECONDS)
        self._start(service, None)

    def join(self, service: Service[Any, Any], meanwhile: Callable[[], None]) -> None:
        self._start(service, None)
        everybody = len(self._workers[service.name])

        def shared() -> bool:
            meanwhile()
            return self._owners(service) == everybody

        self.until(shared)

    def leave(self, service: Service[Any, Any], meanwhile: Callable[[], None]) -> None:
        worker = self._workers[service.name].pop(0)
        worker.process.terminate()

        def gone() -> bool:
            meanwhile()
            return not worker.process.is_alive()

        self.until(gone)
        _expect_a_good_end(worker)

    def messages(self, topic: Topic) -> list[Message]:
        decoded = [self._codec.decode(record.value()) for record in self._records(topic.name(self.environment))]
        assert all(isinstance(message, Message) for message in decoded), decoded
        return cast("list[Message]", decoded)

    def states(self, service: Service[Any, Any]) -> dict[str, Any]:
        return {key: entry.state for key, entry in self._entries(service).items()}

    def dead_letters(self, service: Service[Any, Any]) -> list[Letter]:
        letters = []
        for record in self.dead_records(service):
            said = {name.removeprefix(DEAD_LETTER): value for name, value in record.headers() or ()}
            text = {name: (value or b"").decode() for name, value in said.items()}
            place = (text["topic"], int(text["partition"]), int(text["offset"]))
            letters.append(Letter(*place, text["cause"], text["detail"], int(text["attempts"])))
        return letters

    def crashes(self) -> int:
        return self._crashes

    # What only Kafka has.

    def dead_records(self, service: Service[Any, Any]) -> list[Fetched]:
        return self._records(dead_letters_of(service.name, self.environment))

    def publish_bytes(self, topic: Topic, key: str, value: bytes, headers: Iterable[tuple[str, bytes]] = ()) -> None:
        """As a producer does who knows nothing of the contract."""
        deliver(self._client, [Outgoing(topic.name(self.environment), key, value, tuple(headers))])

    def close(self) -> None:
        for worker in (worker for workers in self._workers.values() for worker in workers):
            worker.process.kill()
            worker.process.join(SECONDS)
            worker.process.close()
        self._registry.close()

    # Workers.

    def _prepare(self) -> None:
        admin = TopicAdmin(self._client)
        brokers = admin.brokers()
        messages = {kind for service in self._services for kind in (*service.consumes, *service.sends)}
        names = {topic for kind in messages if (topic := kind.contract.topic) is not None}
        declared = [wanted(topic, self.environment, brokers=brokers) for topic in names]
        for service in self._services:
            declared += internal_topics(service, self.environment, brokers=brokers)
        admin.apply(plan(declared, {}), declared)
        for kind in messages:
            self._registry.id_of(subject_of(kind, self.environment), avro_schema(kind))

    def _start(self, service: Service[Any, Any], dies_at: Moment | None) -> None:
        name = f"{service.name}-{next(self._names)}"
        # Whoever takes over from a dead worker finds its store; two at once can't share one.
        store = service.name if not self._workers[service.name] else name
        log = self._where.directory / f"{name}.log"
        job = Job(
            service=service,
            environment=self.environment,
            bootstrap=self._where.stack.kafka,
            registry=self._where.stack.registry,
            state=self._where.directory / store if self._where.durable else None,
            log=log,
            session_seconds=SESSION_SECONDS if dies_at is None else DOOMED_SESSION_SECONDS,
            perform=self._perform,
            policies=self._policies,
            dies_at=dies_at,
        )
        process = _PROCESSES.Process(target=work, args=(job,), name=name)
        process.start()
        self._workers[service.name].append(_Worker(process, log, dies_at is not None))

    def _look_after(self) -> None:
        """Start again what died as it should; any other end is a failure."""
        for service in self._services:
            for worker in list(self._workers[service.name]):
                if worker.process.is_alive():
                    continue
                assert worker.doomed, f"{worker.process.name} ended by itself. {self._status()}"
                assert worker.process.exitcode == EXIT_CODE, self._status()
                self._workers[service.name].remove(worker)
                self._crashes += 1
                self._start(service, None)

    def _status(self) -> str:
        lines = [
            f"{worker.process.name}: {worker.process.exitcode}" for each in self._workers.values() for worker in each
        ]
        logs = [f"--- {log.name}\n{log.read_text()[-4_000:]}" for log in sorted(self._where.directory.glob("*.log"))]
        return "\n".join([", ".join(lines), *logs])

    # What is on the topics.

    def _is_quiet(self) -> bool:
        """All is read and nothing is due; and between the two looks nobody said anything, which a deadline may."""
        if any(worker.doomed for workers in self._workers.values() for worker in workers):
            return False  # it has not come to where it dies
        try:
            ends = self._read_up_to()
            return ends is not None and not self._is_due() and self._read_up_to() == ends
        except KafkaException as error:
            if error.args[0].code() not in _NO_COORDINATOR_YET:
                raise
            return False

    def _read_up_to(self) -> dict[tuple[str, int], int] | None:
        """The end of every input, if all of it is committed, which it is once all that came of it is out."""
        committed: dict[tuple[str, str, int], int] = {}
        for service in self._services:
            group = group_of(service.name, self.environment)
            with self._reader(group) as reader:
                for place in reader.committed(self._inputs(service), timeout=SECONDS):
                    committed[group, place.topic, place.partition] = max(0, place.offset)
        # Only now: while one service was asked, another may have said something to it.
        ends = self._ends({(topic, number) for _, topic, number in committed})
        return ends if all(ends[topic, number] == offset for (_, topic, number), offset in committed.items()) else None

    def _is_due(self) -> bool:
        return any(
            entry.due is not None or entry.pending
            for service in self._services
            for entry in self._entries(service).values()
        )

    def _owners(self, service: Service[Any, Any]) -> int:
        """How many workers have partitions."""
        group = group_of(service.name, self.environment)
        (future,) = self._admin.describe_consumer_groups([group]).values()
        return sum(bool(member.assignment.topic_partitions) for member in future.result(SECONDS).members)

    def _inputs(self, service: Service[Any, Any]) -> list[TopicPartition]:
        names = [topic.name(self.environment) for topic in service.topics]
        names.append(own_topic_of(service.name, self.environment))
        return [TopicPartition(name, number) for name in names for number in range(service.topics[0].partitions)]

    def _ends(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        with self._reader(self.environment) as reader:
            return {place: reader.get_watermark_offsets(TopicPartition(*place), SECONDS)[1] for place in places}

    def _entries(self, service: Service[Any, Any]) -> dict[str, Entry[Any]]:
        """What the changelog says to somebody who knows nothing of the engine's stores."""
        topic, codec = changelog_of(service.name, self.environment), StateCodec(service)
        folds: dict[int, Fold] = defaultdict(Fold)
        entries: dict[str, Entry[Any]] = {}
        for record in self._records(topic):
            raw_key, fold = record.key() or b"", folds[record.partition()]
            place = Place(topic, record.partition(), record.offset(), raw_key)
            key, said = raw_key.decode(), decode(place, record.value())
            if isinstance(said, Marker):
                fold.marker(said)
            elif said is not None and fold.written(place, key, said.epoch, said.round, said.paid, said.owed):
                entries.pop(key, None)
                if said.entry:
                    entries[key] = codec.decode(key, said.entry)
        return entries

    def _records(self, topic: str) -> list[Fetched]:
        """All that there is now, partition by partition."""
        with self._reader(self.environment) as reader:
            partitions = reader.list_topics(topic, timeout=SECONDS).topics[topic].partitions
            ends = self._ends((topic, number) for number in partitions)
            missing = sum(ends.values())
            reader.assign([TopicPartition(topic, number, 0) for number in partitions])
            found: list[Fetched] = []
            deadline = time.monotonic() + SECONDS
            while len(found) < missing and time.monotonic() < deadline:
                fetched = cast("list[Fetched]", reader.consume(missing, 1.0))
                # What came since is left out: taken for one of those that were there, it would hide the last of them.
                found += (
                    each for each in fetched if not each.error() and each.offset() < ends[topic, each.partition()]
                )
        assert len(found) == missing, f"{topic} has {missing} records, but only {len(found)} came"
        return sorted(found, key=lambda record: (record.partition(), record.offset()))

    @contextmanager
    def _reader(self, group: str) -> Iterator[Consumer]:
        """Never a member of the group: it assigns itself what it reads."""
        with closing(Consumer({**self._client, "group.id": group, "log_level": 3})) as reader:
            yield reader

    def _outgoing(self, message: Message) -> Outgoing:
        topic, key = message.contract.topic, message.record_key
        assert topic is not None
        assert key is not None
        return Outgoing(topic.name(self.environment), key, self._codec.encode(message))


def _expect_a_good_end(worker: _Worker) -> None:
    """Told to stop, a worker drains, leaves its group, and says that all is well."""
    assert worker.process.exitcode == 0, worker.log.read_text()[-4_000:]
