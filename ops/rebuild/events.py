"""A partition folded again from its inputs, beside what its changelog has."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Literal, NamedTuple

from ops import reading
from ops.reading import Part, Reader
from ops.rebuild.compare import MOST_RECORDS, difference, reordered
from ops.rebuild.refold import Mute, Refold, Told, turn_of
from ops.rebuild.site import Site
from schemas.message import Message
from streams.codec import Reason
from streams.decision import Performed
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.kafka.replica import Replica
from streams.kafka.topics import dead_letters_of
from streams.replay import is_copy
from streams.step import Arrival, Entry
from streams.stores.memory import MemoryStore
from streams.tables import Latest, Tables

Verdict = Literal["same", "reordered", "different", "missing", "unknown"]

#: Keys that are told one by one; of the rest only how many they are.
MOST_TOLD = 1_000
#: Keys for which other orders are tried.
MOST_SEARCHED = 100


class Difference(NamedTuple):
    """A key."""

    key: str
    verdict: Verdict
    #: The first field that differs.
    field: str
    #: What can't be known any more, and may be why. Where there is none, code decides otherwise than it did.
    doubts: tuple[str, ...]


class Comparison(NamedTuple):
    """A partition."""

    partition: int
    #: Of its inputs.
    records: int
    counts: Mapping[Verdict, int]
    differences: tuple[Difference, ...]
    #: Of all keys: what of the inputs is gone, and what else was not there to be folded.
    limits: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return not self.counts.keys() - {"same", "reordered"}


class _Known:
    """What the changelog has: bytes, decoded when they are asked for."""

    def __init__(self, site: Site, number: int) -> None:
        self._states = site.codecs.states
        self._store = MemoryStore()
        replica: Replica[Any] = Replica(
            self._states,
            self._store,
            service=site.service.name,
            changelog=site.changelog,
            topic_id=site.reader.topic_id(site.changelog),
            partition=number,
        )
        for records in site.reader.between({Part(site.changelog, number): site.bounds(site.changelog, number)}):
            replica.read(records)
        #: Input -> under which name its offsets are noted.
        self.aliases = {name: name for name in site.inputs} | {
            name: name if times == 1 else f"{name}#{times}" for name, (times, _) in replica.fold.topics.items()
        }
        self.ids = {name: topic_id for name, (_, topic_id) in replica.fold.topics.items()}

    def entry(self, key: str) -> Entry[Any] | None:
        raw = self._store.get(key.encode())
        return None if raw is None else self._states.decode(key, raw)

    def keys(self) -> Iterator[str]:
        return (key.decode() for key, _ in self._store.scan())


def compare(site: Site, number: int, tables: Tables, progress: reading.Progress) -> Comparison:
    """Holds the state of the partition in memory, twice."""
    known = _Known(site, number)
    wire = Mute(site.codecs, number, site.check(), known.aliases, Counters(), suspects=frozenset())
    inputs = _Inputs(site, number, known, wire)
    refold = Refold(site.service.reading(tables), wire, _turns(site, number, known))
    folded: dict[str, Told] = {}
    for arrival in inputs.arrivals(progress):
        told = refold.after(folded.get(arrival.key, _NOTHING), arrival)
        if told.entry is None and not told.asked:
            folded.pop(arrival.key, None)
        else:
            folded[arrival.key] = told
    found: dict[str, str] = {}
    counts: Counter[Verdict] = Counter()
    for key in dict.fromkeys([*known.keys(), *folded]):
        said = difference(known.entry(key), folded.get(key, _NOTHING).entry)
        if said is None:
            counts["same"] += 1
        else:
            found[key] = said
    searched = _orders(inputs, refold, known, found)
    dead = _dead(site, number)
    differences: list[Difference] = []
    for key, field in found.items():
        verdict = _verdict(known.entry(key), folded.get(key, _NOTHING).entry)
        if key in searched:
            verdict = "reordered"
        counts[verdict] += 1
        if len(differences) < MOST_TOLD:
            doubts = () if verdict == "reordered" else tuple(inputs.doubts(known.entry(key), dead=key in dead))
            differences.append(Difference(key, verdict, field, doubts))
    return Comparison(number, inputs.read, counts, tuple(differences), tuple(inputs.limits()))


_NOTHING = Told()


def _verdict(known: Entry[Any] | None, folded: Entry[Any] | None) -> Verdict:
    if folded is None:
        return "missing"
    return "unknown" if known is None else "different"


class _Inputs:
    """What the service has read of its inputs, merged by time; each topic's own order is kept."""

    def __init__(self, site: Site, number: int, known: _Known, wire: Mute) -> None:
        self._site = site
        self._number = number
        self._known = known
        self._wire = wire
        self._bounds = {topic: site.bounds(topic, number) for topic in site.inputs}
        self._ids = {topic: site.reader.topic_id(topic) for topic in site.inputs}
        self._committed = {
            topic: site.groups.committed(site.group, topic).get(Part(topic, number), 0) for topic in site.inputs
        }
        self.read = 0

    def arrivals(self, progress: reading.Progress, keys: Collection[str] | None = None) -> Iterator[Arrival]:
        total, self.read = sum(end - first for first, end in self._bounds.values()), 0
        with ExitStack() as exits:
            streams = [self._lying(exits, topic) for topic in self._bounds]
            for record in heapq.merge(*streams, key=lambda each: each.timestamp()[1]):
                self.read += 1
                if self.read % _TELL_RECORDS == 0:
                    progress(self.read, total)
                if keys is None or (record.key() or b"").decode(errors="replace") in keys:
                    yield from self._said(record)
        progress(total, total)

    def limits(self) -> Iterator[str]:
        for topic, (first, _) in self._bounds.items():
            if first:
                yield f"{topic}[{self._number}] begins at offset {first}: what was before is gone (retention)"
            if self._known.ids.get(topic, self._ids[topic]) != self._ids[topic]:
                yield f"{topic} was deleted and made again: what lay on the old one is gone"
        for name in sorted({kind.__name__ for kind in self._site.service.reads}):
            yield f"{name} was looked up as it is now, not as it was"

    def doubts(self, known: Entry[Any] | None, *, dead: bool) -> Iterator[str]:
        """Of one key."""
        yield from self.limits()
        if known is not None and len(known.absorbed) > 1:
            yield f"it heard of {len(known.absorbed)} topics, and in which order is written nowhere"
        if dead:
            yield "some of its records are dead letters: today's code may decide what it could not"

    def _lying(self, exits: ExitStack, topic: str) -> Iterator[Fetched]:
        reader = exits.enter_context(Reader(self._site.client, self._site.codecs.messages))
        bounds = {Part(topic, self._number): self._bounds[topic]}
        return (record for records in reader.between(bounds) for record in records)

    def _said(self, record: Fetched) -> Iterator[Arrival]:
        topic, offset = record.topic(), record.offset()
        for arrival in self._wire.arrivals(topic, [record], []):
            if offset < self._committed[topic] or self._was_absorbed(arrival):
                yield arrival

    def _was_absorbed(self, arrival: Arrival) -> bool:
        """What was decided may be ahead of what was committed; what lies there unread is nobody's difference."""
        entry = self._known.entry(arrival.key)
        return entry is not None and arrival.offset <= entry.absorbed.get(arrival.topic, -1)


_TELL_RECORDS = 1_000


def _turns(site: Site, number: int, known: _Known) -> dict[str, list[int]]:
    """By key, of its decisions that asked for effects; of those that nobody will ever answer nothing is known."""
    found: dict[str, set[int]] = defaultdict(set)
    if site.service.effects:
        for records in site.reader.between({Part(site.own, number): site.bounds(site.own, number)}):
            for record in records:
                said = None if is_copy(record.headers() or ()) else site.codecs.own.decode(record.value())
                if isinstance(said, Performed):
                    found[(record.key() or b"").decode(errors="replace")].add(turn_of(said.effect_id))
        for key in known.keys():  # noqa: SIM118 - it is no dict
            if (entry := known.entry(key)) is not None:
                found[key].update(map(turn_of, entry.pending))
    return {key: sorted(turns) for key, turns in found.items()}


def _orders(inputs: _Inputs, refold: Refold, known: _Known, found: Mapping[str, str]) -> set[str]:
    """Keys whose records give what is known in another order. So many at most are looked at."""
    records: dict[str, list[Arrival]] = {key: [] for key, _ in zip(found, range(MOST_SEARCHED), strict=False)}
    if not records:
        return set()
    for arrival in inputs.arrivals(reading.unseen, records.keys()):
        if arrival.key in records and len(records[arrival.key]) <= MOST_RECORDS:
            records[arrival.key].append(arrival)
    return {key for key, arrivals in records.items() if reordered(refold, arrivals, known.entry(key))}


def _dead(site: Site, number: int) -> set[str]:
    """Keys with dead letters."""
    topic = dead_letters_of(site.service.name, site.environment)
    if topic not in site.reader.topics():
        return set()
    return {
        (record.key() or b"").decode(errors="replace")
        for records in site.reader.between({Part(topic, number): site.bounds(topic, number)})
        for record in records
    }


def tables_of(site: Site) -> Latest:
    """The reference data of the service, as they are now."""
    latest = Latest(site.service.reads)
    there = site.reader.topics()
    for topic in latest.topics:
        name = topic.name(site.environment)
        for said in site.reader.to_the_end(Part(name, number) for number in range(there.get(name, 0))):
            if isinstance(said.message, Message):
                latest.learn(topic, said.key, said.message)
            elif said.message.reason is Reason.NO_VALUE:
                latest.learn(topic, said.key, None)
    return latest
