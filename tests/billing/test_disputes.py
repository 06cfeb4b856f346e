"""What a shopper contests, what an operator decides, and what goes back for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from billing.disputing import BY_POLICY, labelled_examples
from billing.errors import ChargeStateError, DisputeError, KeyConflict, RefundError, UnknownVisit
from billing.types import (
    Dispute,
    DisputeKind,
    DisputeRequest,
    DisputeState,
    Evidence,
    RefundReason,
    RefundRequest,
    RefundState,
)
from tests.billing.till import DAY_NS, Till, counted

Tills = Callable[..., Till]
CLIP = Evidence("e-1", "d-1", "cam1.mp4", "video/mp4", "a" * 64, "clips/cam1.mp4", "ada", 5_000)


def asked(dispute_id: str = "d-1", visit: str = "visit-1", at_ns: int = 4_000, **items: int) -> DisputeRequest:
    return DisputeRequest(dispute_id, visit, DisputeKind.CONTEST, counted(items), "not mine", at_ns, "ann")


def decide(shop: Till, state: DisputeState, dispute_id: str = "d-1", at_ns: int = 6_000, by: str = "ada") -> Dispute:
    return shop.service.decide(dispute_id, state, by, "seen on the clip", at_ns)


def bought(till: Tills, *script: str, **settings: object) -> Till:
    shop = till(*script, **settings)
    shop.leave(cola=2, bread=1)
    return shop


def test_upheld_its_units_are_refunded(till: Tills) -> None:
    shop = bought(till)
    opened = shop.service.contest(asked(cola=1))
    assert (opened.state, opened.refund_key) == (DisputeState.OPEN, None)
    assert shop.service.refunds("visit-1") == ()
    upheld = decide(shop, DisputeState.UPHELD)
    assert (upheld.state, upheld.decided_by, upheld.decided_at_ns) == (DisputeState.UPHELD, "ada", 6_000)
    (refund,) = shop.service.refunds("visit-1")
    assert (refund.key, refund.amount.minor, refund.state) == (upheld.refund_key, 149, RefundState.DONE)
    assert (refund.reason, refund.created_at_ns) == (RefundReason.NOT_TAKEN, 6_000)


def test_rejected_nothing_goes_back(till: Tills) -> None:
    shop = bought(till)
    shop.service.contest(asked(cola=1))
    rejected = decide(shop, DisputeState.REJECTED)
    assert (rejected.state, rejected.refund_key) == (DisputeState.REJECTED, None)
    assert shop.service.refunds("visit-1") == ()


def test_what_is_brought_back_is_a_return(till: Tills) -> None:
    shop = bought(till)
    shop.service.contest(replace(asked(bread=1), kind=DisputeKind.RETURN))
    decide(shop, DisputeState.UPHELD)
    assert shop.service.refunds("visit-1")[0].reason is RefundReason.RETURNED


def test_a_dispute_is_opened_once(till: Tills) -> None:
    shop = bought(till)
    first = shop.service.contest(asked(cola=1))
    assert shop.service.contest(asked(cola=1, at_ns=9_000)) == first
    assert shop.service.disputes.of_visit("visit-1") == (first,)
    others = [
        asked(cola=2),
        replace(asked(cola=1), text="another"),
        replace(asked(cola=1), kind=DisputeKind.RETURN),
        replace(asked(cola=1), shopper_id="bea"),
        asked(visit="visit-2", cola=1),
    ]
    shop.leave("visit-2", cola=1)
    for other in others:
        with pytest.raises(KeyConflict, match="d-1 was used for another dispute"):
            shop.service.contest(other)
    decide(shop, DisputeState.UPHELD)
    assert shop.service.contest(asked(cola=1)).state is DisputeState.UPHELD
    assert len(shop.service.refunds("visit-1")) == 1


def test_a_decision_stands(till: Tills) -> None:
    shop = bought(till)
    shop.service.contest(asked(cola=1))
    first = decide(shop, DisputeState.UPHELD)
    assert decide(shop, DisputeState.UPHELD, at_ns=9_000, by="bob") == first
    with pytest.raises(DisputeError, match="d-1 was upheld by ada"):
        decide(shop, DisputeState.REJECTED)
    with pytest.raises(DisputeError, match="upholds or rejects"):
        decide(shop, DisputeState.OPEN)
    with pytest.raises(UnknownVisit, match="no dispute 'd-9'"):
        decide(shop, DisputeState.UPHELD, "d-9")
    assert len(shop.service.refunds("visit-1")) == 1


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (asked(cola=3), DisputeError, "3 of 'cola' asked for, 2 left"),
        (asked(ghost=1), DisputeError, "1 of 'ghost' asked for, 0 left"),
        (asked(cola=0), DisputeError, "quantity 0"),
        (asked(), DisputeError, "say which products"),
        (asked(cola=1, at_ns=31 * DAY_NS), DisputeError, "older than 30 days"),
        (asked(visit="visit-9", cola=1), UnknownVisit, "has no receipt"),
    ],
)
def test_what_cannot_be_contested(till: Tills, request_: DisputeRequest, error: type[Exception], message: str) -> None:
    shop = bought(till)
    with pytest.raises(error, match=message):
        shop.service.contest(request_)
    assert shop.service.disputes.of_visit("visit-1") == ()


def test_an_operator_may_decide_after_the_last_day(till: Tills) -> None:
    shop = bought(till)
    shop.service.contest(asked(cola=1, at_ns=29 * DAY_NS))
    decide(shop, DisputeState.UPHELD, at_ns=40 * DAY_NS)
    assert shop.service.refunds("visit-1")[0].created_at_ns == 40 * DAY_NS  # booked on the day of the decision


def test_units_that_were_given_back_cannot_go_back_again(till: Tills) -> None:
    shop = bought(till)
    shop.service.contest(asked(cola=2))
    shop.refund(cola=1)
    with pytest.raises(RefundError, match="2 of 'cola' asked for, 1 left"):
        decide(shop, DisputeState.UPHELD)
    assert shop.service.disputes.get("d-1").state is DisputeState.OPEN
    assert decide(shop, DisputeState.REJECTED).state is DisputeState.REJECTED
    with pytest.raises(DisputeError, match="1 left"):
        shop.service.contest(asked("d-2", cola=2))


def test_of_two_disputes_about_one_unit_one_can_be_upheld(till: Tills) -> None:
    shop = bought(till)
    shop.service.contest(asked(bread=1))
    shop.service.contest(asked("d-2", bread=1))
    decide(shop, DisputeState.UPHELD, "d-2")
    with pytest.raises(RefundError, match="0 left"):
        decide(shop, DisputeState.UPHELD)


def test_a_unit_that_was_charged_afterwards_can_be_contested(till: Tills) -> None:
    shop = bought(till)
    shop.correct(cola=1)
    shop.service.contest(asked(cola=3))
    decide(shop, DisputeState.UPHELD)
    assert (shop.service.refunds("visit-1")[0].amount.minor, shop.owed()) == (447, 0)


def test_what_is_upheld_of_a_debt_is_no_longer_owed(till: Tills) -> None:
    shop = bought(till, "decline")
    shop.service.contest(asked(cola=2))
    decide(shop, DisputeState.UPHELD)
    assert shop.owed() == 289
    assert shop.service.charge_again("visit-1", "card-1", 7_000).amount.minor == 289


def test_what_was_written_off_is_upheld_without_a_cent(till: Tills) -> None:
    shop = bought(till, "decline", debt_retry_hours=(), write_off_days=1)
    shop.service.collect_debts(2 * DAY_NS)
    shop.service.contest(asked(cola=2, bread=1))
    decide(shop, DisputeState.UPHELD)
    assert (shop.owed(), shop.balances()["written_off"]) == (0, 0)
    assert shop.service.refunds("visit-1")[0].state is RefundState.DONE


def test_it_is_decided_once_it_is_known_what_was_paid(till: Tills) -> None:
    shop = bought(till, "lost_answer")
    shop.service.contest(asked(cola=1))
    with pytest.raises(ChargeStateError, match="not settled yet"):
        decide(shop, DisputeState.UPHELD)
    assert shop.service.disputes.get("d-1").state is DisputeState.OPEN
    shop.service.resolve_unknown(7_000)
    assert decide(shop, DisputeState.UPHELD).state is DisputeState.UPHELD


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
@pytest.mark.parametrize("how", ["decided again", "contested again", "resolved"])
def test_a_refund_without_an_answer_is_asked_for_again(till: Tills, behaviour: str, how: str) -> None:
    shop = bought(till, "ok", behaviour)
    shop.service.contest(asked(cola=1))
    decide(shop, DisputeState.UPHELD)
    assert shop.service.refunds("visit-1")[0].state is RefundState.UNKNOWN
    shop.check()
    match how:
        case "decided again":
            decide(shop, DisputeState.UPHELD)
        case "contested again":
            shop.service.contest(asked(cola=1))
        case _:
            shop.service.resolve_unknown(8_000)
    assert shop.service.refunds("visit-1")[0].state is RefundState.DONE
    assert shop.balances()["clearing:gateway"] == 438


def test_a_refund_that_the_gateway_declines_is_owed_and_tried_with_the_decision(till: Tills) -> None:
    shop = bought(till, "ok", "decline")
    shop.service.contest(asked(cola=1))
    decide(shop, DisputeState.UPHELD)
    assert (shop.service.refunds("visit-1")[0].state, shop.owed()) == (RefundState.OWED, -149)
    decide(shop, DisputeState.UPHELD)
    assert (shop.service.refunds("visit-1")[0].state, shop.owed()) == (RefundState.DONE, 0)


def test_a_refund_that_took_the_disputes_key_is_a_conflict(till: Tills) -> None:
    shop = bought(till)
    shop.service.refund(RefundRequest("dispute:d-1", "visit-1", RefundReason.GOODWILL, 3_000, counted({"cola": 1})))
    shop.service.contest(asked(cola=1))
    with pytest.raises(KeyConflict, match="dispute:d-1 was used"):
        decide(shop, DisputeState.UPHELD)
    assert shop.service.disputes.get("d-1").state is DisputeState.OPEN


# Trust


def test_policy_upholds_what_is_small(till: Tills) -> None:
    shop = bought(till, trust_up_to_minor=200)
    upheld = shop.service.contest(asked(cola=1))
    assert (upheld.state, upheld.decided_by, upheld.decided_at_ns) == (DisputeState.UPHELD, BY_POLICY, 4_000)
    assert shop.service.refunds("visit-1")[0].state is RefundState.DONE
    assert shop.service.contest(asked(cola=1, at_ns=9_000)) == upheld
    assert shop.service.contest(asked("d-2", bread=1)).state is DisputeState.OPEN  # costs more


def test_policy_trusts_so_many_times_a_month_and_shopper(till: Tills) -> None:
    shop = till(trust_up_to_minor=200, trusted_per_month=2, refund_window_days=90)
    shop.leave(cola=5)
    states = [shop.service.contest(asked(f"d-{n}", cola=1)).state for n in range(3)]
    assert states == [DisputeState.UPHELD, DisputeState.UPHELD, DisputeState.OPEN]
    decide(shop, DisputeState.REJECTED, "d-2")
    assert shop.service.contest(asked("d-3", cola=1, at_ns=29 * DAY_NS)).state is DisputeState.OPEN
    assert shop.service.contest(asked("d-4", cola=1, at_ns=31 * DAY_NS)).state is DisputeState.UPHELD
    assert shop.service.contest(replace(asked("d-5", cola=1), shopper_id="bea")).state is DisputeState.UPHELD


def test_policy_trusts_nobody_unknown_and_nothing_free(till: Tills) -> None:
    shop = till(trust_up_to_minor=200)
    shop.leave(cola=1, leaflet=1)
    assert shop.service.contest(replace(asked(cola=1), shopper_id=None)).state is DisputeState.OPEN
    assert shop.service.contest(asked("d-2", leaflet=1)).state is DisputeState.OPEN


def test_policy_leaves_to_an_operator_what_may_not_be_paid_yet(till: Tills) -> None:
    shop = bought(till, "needs_shopper", trust_up_to_minor=200)
    assert shop.service.contest(asked(cola=1)).state is DisputeState.OPEN
    shop.gateway.authenticate("visit-1:1:charge")
    shop.service.resolve_unknown(5_000)
    assert decide(shop, DisputeState.UPHELD).state is DisputeState.UPHELD


# Evidence


def test_evidence_is_kept_once(till: Tills) -> None:
    shop = bought(till)
    shop.service.contest(asked(cola=1))
    shop.service.contest(asked("d-2", cola=1))
    shop.service.attach(CLIP)
    shop.service.attach(replace(CLIP, added_at_ns=9_000))
    shop.service.attach(replace(CLIP, evidence_id="e-2", name="cam2.mp4"))
    assert [each.name for each in shop.service.disputes.evidence("d-1")] == ["cam1.mp4", "cam2.mp4"]
    for other in (replace(CLIP, sha256="b" * 64), replace(CLIP, dispute_id="d-2")):
        with pytest.raises(KeyConflict, match="e-1 was used for other evidence"):
            shop.service.attach(other)
    with pytest.raises(UnknownVisit, match="d-9"):
        shop.service.attach(replace(CLIP, dispute_id="d-9"))
    with pytest.raises(ValueError, match="give 64 small hex digits"):
        replace(CLIP, sha256="A" * 64)


def test_what_operators_decided_is_a_labelled_example(till: Tills) -> None:
    shop = till(trust_up_to_minor=200, trusted_per_month=1)
    shop.leave(cola=5)
    for n in range(4):
        shop.service.contest(asked(f"d-{n}", cola=1, at_ns=4_000 + n))
    shop.service.attach(CLIP)
    decide(shop, DisputeState.UPHELD)
    decide(shop, DisputeState.REJECTED, "d-2")
    first, second = (json.loads(line) for line in labelled_examples(shop.store))
    assert (first["dispute"]["dispute_id"], first["dispute"]["state"]) == ("d-1", "upheld")
    assert first["dispute"]["items"] == [{"sku": "cola", "quantity": 1}]
    assert [piece["sha256"] for piece in first["evidence"]] == ["a" * 64]
    assert (second["dispute"]["dispute_id"], second["dispute"]["state"], second["evidence"]) == ("d-2", "rejected", [])
