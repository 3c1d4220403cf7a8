"""Read models held against the topics that they were made of."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from ops.reading import Part, Progress, Reader
from projections.folds.fold import Place
from projections.verify import Log, Mark, Told, VerifyError
from streams.kafka.topics import dead_letters_of
from streams.kafka.wire import DEAD_LETTER
from streams.replay import is_copy, origin_of


class Topics:
    """The topics of a read model up to its marks. Raises VerifyError where the marks are of other topics."""

    def __init__(self, reader: Reader, marks: Sequence[Mark], dead_letters: str, progress: Progress) -> None:
        self._reader, self._progress = reader, progress
        self._marks = {Part(mark.topic, mark.partition): mark for mark in marks}
        self._ids = reader.ids({mark.topic for mark in marks})
        self._check()
        bounds = reader.bounds(self._marks)
        self._bounds = {part: (bounds[part][0], mark.next_offset) for part, mark in self._marks.items()}
        self.size = sum(max(0, end - begin) for begin, end in self._bounds.values())
        self.begins: Mapping[tuple[str, int], int] = {
            (part.topic, part.partition): begin for part, (begin, _) in bounds.items()
        }
        self.dead = frozenset(self._refused(dead_letters))
        self.rounds = 1
        self._round = 0

    def _check(self) -> None:
        for part, mark in self._marks.items():
            if self._ids[part.topic] != mark.topic_id:
                raise VerifyError(
                    f"{part.topic} is another topic than the one that was projected (id {mark.topic_id}, now "
                    f"{self._ids[part.topic]}): let the projector read it, then verify again"
                )

    def read(self, wanted: Callable[[bytes], bool]) -> Iterator[Told]:
        before = self._round * self.size
        self._round += 1
        # What differs is read once more, to be explained.
        total = max(self._round, self.rounds) * self.size
        for batch in self._reader.within(self._bounds, wanted, lambda done, _: self._progress(before + done, total)):
            for said in batch:
                # A copy that doesn't say of what was not applied either.
                nameless = is_copy(said.headers) and origin_of(said.headers) is None
                if not nameless and not said.repeats(self._ids[said.part.topic]):
                    place = Place(*said.part, said.offset, said.at, self._marks[said.part].generation)
                    yield Told(place, said.key, said.message)

    def _refused(self, dead_letters: str) -> Iterator[tuple[str, int, int]]:
        """Where the records lay that the projector could not apply."""
        parts = [Part(dead_letters, number) for number in range(self._reader.topics().get(dead_letters, 0))]
        for said in self._reader.to_the_end(parts):
            told = {name.removeprefix(DEAD_LETTER): (value or b"").decode() for name, value in said.headers}
            yield told["topic"], int(told["partition"]), int(told["offset"])


def opening(reader: Reader, model: str, environment: str, progress: Progress) -> Callable[[Sequence[Mark]], Log]:
    dead_letters = dead_letters_of(f"{model}-projection", environment)
    return lambda marks: Topics(reader, marks, dead_letters, progress)
