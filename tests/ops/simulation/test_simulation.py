"""The real services come through everything that may go wrong; a wrong one is found, shown small, and found again."""

from collections.abc import Callable
from typing import Any

import pytest

from ops.audit import Rule
from ops.simulation.services import catalogue
from ops.simulation.simulation import BATCH, Tally, batches, simulate
from ops.simulation.timeline import timeline
from ops.simulation.trial import Course, Fault, Trial, UnsettledError, run
from streams.memory.twin import RestlessError, Twin
from tests.ops.simulation.mutants import Services, forgetful_stock, greedy_payments, silent_orchestrator

MUTANTS = {
    forgetful_stock: Rule.FREED_IS_AVAILABLE,
    greedy_payments: Rule.MONEY_MOVES_ONCE,
    silent_orchestrator: Rule.ENDS,
}


@pytest.fixture(scope="module")
def course() -> Course:
    return run(Trial(1, 300), catalogue())


@pytest.mark.parametrize("seed", [2, 3])
def test_whatever_goes_wrong_no_order_and_no_cent_is_lost(seed: int) -> None:
    tally, finding = simulate(Trial(seed, 200), catalogue())
    assert finding is None
    assert tally.sagas > 150


def test_all_of_it_goes_wrong(course: Course) -> None:
    tally = Tally()
    tally.add(course, 1.0)
    assert course.violations == ()
    assert tally.befell.keys() == {Fault.CRASH, Fault.TAKEOVER, Fault.COMPACTION}
    assert tally.dead_letters == len(course.dead_letters) > 0
    assert tally.outcomes.keys() >= {
        "completed",
        "cancelled afterwards",
        "failed RESERVE_INVENTORY INVENTORY_UNAVAILABLE",
        "failed AUTHORIZE_PAYMENT PAYMENT_FAILED",
        "failed CAPTURE_PAYMENT CAPTURE_FAILED",
        "rejected TOTALS_DO_NOT_ADD_UP",
        "rejected EMPTY_CART",
        "rejected DUPLICATE",
        "rejected INVALID",
    }
    assert any(outcome.startswith("failed") and outcome.endswith("CANCELLED") for outcome in tally.outcomes)


def test_without_faults_cards_are_declined_and_shelves_empty_all_the_same() -> None:
    tally, finding = simulate(Trial(1, 300, frozenset()), catalogue())
    assert finding is None
    assert not tally.befell
    assert tally.dead_letters == 0
    assert {"failed AUTHORIZE_PAYMENT PAYMENT_FAILED", "failed RESERVE_INVENTORY INVENTORY_UNAVAILABLE"} <= set(
        tally.outcomes
    )
    assert not any("CANCELLED" in outcome for outcome in tally.outcomes)


def test_the_same_trial_takes_the_same_course(course: Course) -> None:
    assert run(course.trial, catalogue()).records == course.records


@pytest.mark.parametrize(("mutant", "rule"), MUTANTS.items())
def test_a_wrong_service_is_found_among_few_customers_and_again_by_its_seed(
    mutant: Callable[[], Services], rule: Rule
) -> None:
    _, finding = simulate(Trial(1, 100), mutant())
    assert finding is not None
    assert rule in {each.rule for each in finding.violations}
    again, smallest = run(finding.trial, mutant()), run(finding.smallest, mutant())
    assert again.violations == finding.violations
    assert finding.violations[0].rule in {each.rule for each in smallest.violations}


def test_the_smallest_trial_is_one_customer_without_faults_where_that_is_enough() -> None:
    _, finding = simulate(Trial(1, 100), greedy_payments())
    assert finding is not None
    assert finding.smallest.faults == frozenset()
    assert len(finding.smallest.only or ()) == 1
    assert finding.smallest.command.startswith("orderflow simulate --sagas 100 --seed 1 --faults none --only ")
    kinds = [line.split()[2].split("(")[0] for line in finding.trace]
    assert kinds.index("AuthorizePayment") < kinds.index("CapturePayment") < kinds.index("PaymentCaptured")


def test_it_stops_at_the_first_batch_that_breaks_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.simulation.simulation.BATCH", 50)
    seen: list[int] = []
    simulate(Trial(1, 150, frozenset()), silent_orchestrator(), lambda tally: seen.append(tally.customers))
    assert seen == [50]


def test_each_batch_is_a_trial_of_its_own() -> None:
    each = list(batches(Trial(5, 2 * BATCH + 1)))
    assert each == [Trial(5, BATCH), Trial(6, BATCH), Trial(7, 1)]
    some = Trial(5, 3 * BATCH, only=(1, 2))
    assert list(batches(some)) == [some]


def test_a_timeline_tells_causes_before_effects_and_each_record_once(course: Course) -> None:
    poison = next(letter.record.key for letter in course.dead_letters)
    lines = list(timeline(course, poison))
    assert [line.split()[2].split("(")[0] for line in lines[:-1]] == ["AddInventory"]
    assert "refused by stock: StockError" in lines[-1]


def test_customers_who_never_come_to_rest_are_an_error_that_says_how_to_see_them_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def restless(*_: Any, **__: Any) -> None:
        raise RestlessError("still busy")

    monkeypatch.setattr(Twin, "run", restless)
    with pytest.raises(UnsettledError, match="orderflow simulate --sagas 10 --seed 4 --faults crash,outage"):
        run(Trial(4, 10, frozenset({Fault.OUTAGE, Fault.CRASH})), catalogue())
