from typing import Any

import pytest

from schemas.message import Meta
from schemas.orders import ConfirmOrder
from streams.changelog import Owed
from streams.codec import Reason, Undecodable
from streams.decision import Decision, Later, Wake
from streams.partition import Commit, Partition, Round
from streams.service import Service
from streams.step import Arrival, Entry, Parked
from tests.streams.wires import Bare

NOW = 1_000


def id_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


KEY, OTHER = id_of(1), id_of(2)


def decide(state: int | None, message: ConfirmOrder | Wake, at: int) -> Decision[int] | Later:
    """What a message asks for by its id: so a test says in one word what is decided."""
    if isinstance(message, Wake):
        raise ZeroDivisionError("no")
    said = message.meta and message.meta.messageId
    after, sends = (state or 0) + 1, (ConfirmOrder(orderId=KEY),)
    match said:
        case "count":
            return Decision(after)
        case "answer":
            return Decision(after, sends)
        case "forget":
            return Decision(None)
        case "say and forget":
            return Decision(None, sends)
        case "wait":
            return Decision(after, timer=at + 10)
        case "later":
            return Later("not yet")
        case _:
            raise ValueError(said)


service = Service(name="teller", state=int, decide=decide, sends=(ConfirmOrder,))


class Life:
    """A partition whose rounds go through all their stages when told to, over what is durable."""

    def __init__(self, last_round: int = 0) -> None:
        self.entries: dict[str, Entry[int]] = {}
        self.partition = Partition(service, Bare(), self.entries.get, last_round)
        self.offset = 0

    def decided(self, *said: str, key: str = KEY) -> Round:
        return self.partition.decide([self.arrival(each, key) for each in said], {"a": self.offset}, NOW)

    def arrival(self, said: str, key: str = KEY) -> Arrival:
        self.offset += 1
        message = ConfirmOrder(orderId=key, meta=Meta(messageId=said))
        return Arrival("a", self.offset, key, NOW, message)

    def paid(self, round_: Round) -> None:
        self.partition.durable(round_)
        for key, entry in self.partition.paid(round_):
            if entry is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = entry


def content(commit: Commit) -> tuple[int | None, list[int]]:
    return None if commit.entry is None else commit.entry.state, [owed.round for owed in commit.owed]


def test_a_key_is_written_once_a_round_however_often_it_changes() -> None:
    round_ = Life().decided("count", "answer", "count")
    assert content(round_.commits[KEY]) == (3, [1])
    assert round_.decided == 3


def test_a_key_that_was_forgotten_gives_no_number_again_however_soon_it_comes_back() -> None:
    life = Life()
    said = [life.decided("say and forget"), life.decided("answer", "answer")]
    numbers = [int(output.meta.messageId.split("/")[2]) for round_ in said for output in round_.outputs]
    assert numbers == sorted(set(numbers))


def test_the_next_round_builds_on_a_round_that_is_not_paid() -> None:
    life = Life()
    life.decided("count")
    assert content(life.decided("count").commits[KEY]) == (2, [])


def test_what_is_owed_goes_along_until_it_is_paid() -> None:
    life = Life()
    first, second = life.decided("answer"), life.decided("answer")
    assert content(second.commits[KEY]) == (2, [1, 2])
    life.paid(first)
    assert content(life.decided("count").commits[KEY]) == (3, [2])
    life.paid(second)
    assert content(life.decided("count").commits[KEY]) == (4, [])


def test_an_earlier_round_that_is_paid_does_not_take_a_later_one_back() -> None:
    life = Life()
    first, second = life.decided("count"), life.decided("count")
    life.paid(first)
    assert content(life.decided("count").commits[KEY]) == (3, [])
    assert life.entries[KEY].state == 1
    life.paid(second)
    assert life.entries[KEY].state == 2


def test_a_forgotten_key_is_buried_once_its_round_is_paid() -> None:
    life = Life()
    life.paid(life.decided("count"))
    forgetting = life.decided("say and forget")
    assert content(forgetting.commits[KEY]) == (None, [2])
    assert (life.decided().graves, life.partition.has_graves) == ([], False)
    life.paid(forgetting)
    assert life.partition.has_graves
    assert life.decided().graves == [KEY]
    assert life.decided().graves == []


def test_a_key_that_came_back_is_not_buried() -> None:
    life = Life()
    life.paid(life.decided("count"))
    life.paid(life.decided("forget"))
    back = life.decided("count")
    assert (back.graves, content(back.commits[KEY])) == ([], (1, []))
    life.paid(back)
    assert life.decided().graves == []


def test_a_key_that_came_back_and_was_forgotten_again_is_not_buried_before_that_is_paid() -> None:
    life = Life()
    life.paid(life.decided("count"))
    life.paid(life.decided("forget"))
    again = life.decided("count", "say and forget")
    assert again.graves == []
    life.paid(again)
    assert life.decided().graves == [KEY]


def test_what_changes_nothing_and_says_nothing_is_not_written() -> None:
    round_ = Life().decided("forget")
    assert (round_.number, round_.commits, round_.decided) == (1, {}, 1)


def test_a_round_that_changed_nothing_has_a_number_of_its_own() -> None:
    life = Life(last_round=7)
    assert [life.decided(*said).number for said in (["forget"], [], ["count"])] == [8, 9, 10]
    assert life.partition.last_round == 10


def test_an_answer_about_a_key_that_is_not_kept_is_owed_like_any_other() -> None:
    # Not so, it would be lost: the key's next message notes a higher offset, and then a crash comes.
    life = Life()
    round_ = life.decided("say and forget")
    assert content(round_.commits[KEY]) == (None, [1])
    assert content(life.decided("count").commits[KEY]) == (1, [1])
    life.paid(round_)
    assert content(life.decided("count").commits[KEY]) == (2, [])


def test_a_refusal_about_a_key_that_is_not_kept_is_owed_like_any_other() -> None:
    life = Life()
    assert content(life.decided("no such answer", "count").commits[KEY]) == (1, [1])


@pytest.mark.parametrize("known", [True, False])
def test_what_cannot_be_decoded_is_refused_again_when_it_is_read_again(known: bool) -> None:
    # Nothing is written of it, so its place must not be skipped, whatever was absorbed behind it.
    life = Life()
    if known:
        life.decided("count")
    bad = life.arrival("bad")._replace(message=Undecodable(Reason.INVALID, "bad"))
    rounds = [life.partition.decide([bad, life.arrival("count")], {}, NOW), life.partition.decide([bad], {}, NOW)]
    assert [len(round_.outputs) for round_ in rounds] == [1, 1]
    assert [[content(each) for each in round_.commits.values()] for round_ in rounds] == [[(1 + known, [])], []]


def test_a_new_life_pays_what_the_last_one_left_in_the_order_of_its_rounds() -> None:
    life = Life(last_round=7)
    owed = {KEY: (Owed(3, "a"), Owed(6, "d")), OTHER: (Owed(4, "b"), Owed(5, "c"))}  # type: ignore[arg-type]
    round_ = life.partition.resume(owed, (), 0)
    assert (round_.number, round_.outputs, round_.commits) == (8, ["a", "b", "c", "d"], {})
    assert content(life.decided("count").commits[KEY]) == (1, [3, 6])
    life.paid(round_)
    assert content(life.decided("count").commits[KEY]) == (2, [])


def test_what_was_left_of_a_round_is_paid_in_the_order_in_which_it_was_decided() -> None:
    life = Life()
    owed = {KEY: (Owed(3, "a", 0), Owed(3, "c", 2)), OTHER: (Owed(3, "b", 1),)}  # type: ignore[arg-type]
    assert life.partition.resume(owed, (), 0).outputs == ["a", "b", "c"]


def test_rounds_go_on_from_the_present_so_that_a_changelog_that_was_lost_repeats_no_turn() -> None:
    life = Life(last_round=7)
    assert life.partition.resume({}, (), NOW).number == NOW
    assert life.partition.resume({}, (), NOW).number == NOW + 1


def test_a_new_life_writes_again_what_a_stranger_wrote_over() -> None:
    life = Life()
    life.entries[KEY] = Entry(version=5, state=41)
    round_ = life.partition.resume({KEY: (Owed(3, "a"),)}, [OTHER, KEY], 0)  # type: ignore[arg-type]
    assert {key: content(commit) for key, commit in round_.commits.items()} == {KEY: (41, [3]), OTHER: (None, [])}
    assert list(round_.commits) == [KEY, OTHER]
    life.paid(round_)
    assert life.decided().graves == [OTHER]


def test_a_deadline_stands_only_once_its_decision_does() -> None:
    life = Life()
    round_ = life.decided("wait")
    assert life.partition.wakes.next_at is None
    life.partition.durable(round_)
    assert life.partition.wakes.next_at == NOW + 10


def test_a_refused_wake_up_is_not_tried_again_in_the_same_life() -> None:
    life = Life()
    life.paid(life.decided("wait"))
    ((key, deadline),) = life.partition.wakes.take(NOW + 10)
    refused = life.partition.decide([Arrival("own", 1, key, NOW + 10, Wake(deadline))], {}, NOW)
    life.paid(refused)
    assert (len(refused.outputs), life.entries[KEY].due) == (1, NOW + 10)
    assert life.partition.wakes.next_at is None


def test_a_message_that_waits_is_tried_again_in_time_and_holds_up_no_other_key() -> None:
    life = Life()
    round_ = life.partition.decide([life.arrival("later"), life.arrival("count", OTHER)], {}, NOW)
    life.paid(round_)
    assert (life.entries[OTHER].state, life.entries[KEY].state) == (1, None)
    assert [key for key, _ in life.partition.wakes.take(NOW + 100)] == [KEY]


def test_a_refused_message_that_waited_lets_a_deadline_of_the_same_time_come() -> None:
    life = Life()
    bad = Parked("a", 1, NOW, ConfirmOrder(orderId=KEY, meta=Meta(messageId="no such answer")))
    life.entries[KEY] = Entry(version=1, state=1, timer=NOW + 5, parked=(bad,), retry_at=NOW + 5, attempts=1)
    tried = life.partition.decide([Arrival("own", 1, KEY, NOW + 5, Wake(NOW + 5))], {}, NOW + 5)
    life.paid(tried)
    assert (len(tried.outputs), life.partition.wakes.next_at) == (1, NOW + 5)


def test_rounds_are_forgotten_as_they_are_paid() -> None:
    life = Life()
    for number in range(50):
        life.paid(life.decided("answer", key=id_of(number)))
        life.paid(life.decided("forget", key=id_of(number)))
    life.decided()
    state: dict[str, Any] = vars(life.partition)
    assert (state["_unsettled"], state["_unpaid"], state["_graves"]) == ({}, {}, {})
