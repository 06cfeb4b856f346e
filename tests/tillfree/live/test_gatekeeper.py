"""Each rule of the gate."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from billing.keyring import Keyring
from billing.passes import PassKey, PassPolicy, issue, random_nonce
from billing.types import Refusal
from checkout.types import GateScanned
from tests.tillfree.live.node_shop import NOW, NodeShop, S, open_view, reasons, visit_row
from tillfree.live.decisions import SAID, Outcome, Reason
from tillfree.live.errors import BooksAway, NodeFull, NodeStopped, ScanReused
from tillfree.live.memory import GateMemory
from tillfree.live.node import NOT_STARTED, GateRow, VisitState
from tillfree.live.passkeys import KnownKeys
from tillfree.live.settings import GateSettings
from tillfree.live.standing import BooksStanding, TimedStanding
from tillfree.live.tokens import pass_of


def forge(text: str) -> str:
    """Return a pass whose signature ends in another digit."""
    return text[:-1] + str((int(text[-1]) + 1) % 10)


def test_a_pass_lets_its_shopper_in(node_shop: NodeShop) -> None:
    text = node_shop.entry_pass()
    said = node_shop.scan(entry_pass=text, party_size=2)
    assert (said.outcome, said.reason, said.visit_id) == (Outcome.ADMIT, Reason.WELCOME, f"visit-{said.scan_id}")
    (scan,) = node_shop.queued()
    assert (scan.scan_id, scan.gate_id, scan.at_ns, scan.party_size) == (said.scan_id, "door", NOW, 2)
    assert pass_of(scan.token) == text
    assert node_shop.gateway.listing() == ()  # nobody asked it


@pytest.mark.parametrize("token", ["card-1", "cash", "staff"])
def test_tokens_let_in_where_the_store_accepts_them(node_shop: NodeShop, token: str) -> None:
    assert node_shop.scan(token=token).outcome is Outcome.ADMIT
    assert [scan.token for scan in node_shop.queued()] == [token]
    others = ("pass",)
    assert node_shop.scan(token=token, keeper=node_shop.make(accepts=others)).reason is Reason.NOT_ACCEPTED


def test_cash_and_staff_are_not_accepted_unless_said(node_shop: NodeShop) -> None:
    keeper = node_shop.make(accepts=GateSettings().accepts)
    said = [node_shop.scan(keeper=keeper, token=token) for token in ("cash", "staff", "card-1")]
    assert reasons(said) == ["not_accepted", "not_accepted", "welcome"]


def test_a_pass_as_a_bare_token_does_not_come_past_its_checks(node_shop: NodeShop) -> None:
    text = node_shop.entry_pass()
    assert reasons(node_shop.scan(token=token) for token in (f"pass:{text}", text)) == ["not_accepted"] * 2
    no_passes = node_shop.make(accepts=("card",))
    assert node_shop.scan(keeper=no_passes, entry_pass=text).reason is Reason.NOT_ACCEPTED


@pytest.mark.parametrize(
    ("gate_id", "shown", "reason"),
    [
        ("window", {}, Reason.UNKNOWN_GATE),
        ("out", {}, Reason.EXIT_ONLY),
        ("door", {"party_size": 0}, Reason.PARTY_SIZE),
        ("door", {"party_size": 7}, Reason.PARTY_SIZE),
        ("door", {"at_ns": NOW - 11 * S}, Reason.SCAN_TIME),
        ("door", {"at_ns": NOW + 2 * S}, Reason.SCAN_TIME),
        ("door", {"token": None}, Reason.NOTHING_SHOWN),
        ("door", {"token": "card-1", "entry_pass": "7"}, Reason.NOTHING_SHOWN),
        ("door", {"entry_pass": "7" * 246, "token": None}, Reason.PASS_KEY_UNKNOWN),
        ("door", {"entry_pass": "cola", "token": None}, Reason.PASS_MALFORMED),
    ],
)
def test_scans_that_open_nothing(node_shop: NodeShop, gate_id: str, shown: dict[str, Any], reason: Reason) -> None:
    said = node_shop.scan(gate_id, **shown)
    if reason is Reason.PASS_KEY_UNKNOWN:
        assert said.reason in (reason, Reason.PASS_MALFORMED)
    else:
        assert said.reason is reason
    assert said.outcome is not Outcome.ADMIT
    assert (said.visit_id, node_shop.queued()) == (None, [])


def test_bounds_of_party_and_time_are_let_in(node_shop: NodeShop) -> None:
    said = [
        node_shop.scan(party_size=6),
        node_shop.scan(at_ns=NOW - 10 * S),
        node_shop.scan(at_ns=NOW + S),
    ]
    assert reasons(said) == ["welcome"] * 3
    assert [scan.at_ns for scan in node_shop.queued()] == [NOW - 10 * S, NOW, NOW]


def test_passes_that_are_not_good(node_shop: NodeShop) -> None:
    who = node_shop.shopper()
    good = node_shop.entry_pass(who)
    forged = forge(good)
    elsewhere = issue(PassKey.generate(), UUID(who), random_nonce(), NOW)
    old, early = node_shop.entry_pass(who, NOW - 60 * S), node_shop.entry_pass(who, NOW + 11 * S)
    found = reasons(node_shop.scan(entry_pass=text) for text in (forged, elsewhere, old, early, good[:-1]))
    assert found == ["pass_forged", "pass_key_unknown", "pass_expired", "pass_from_future", "pass_malformed"]
    edge = [node_shop.entry_pass(who, NOW - 59 * S), node_shop.entry_pass(who, NOW + 10 * S)]
    assert reasons(node_shop.scan(entry_pass=text) for text in edge) == ["welcome"] * 2


def test_a_pass_is_judged_as_of_when_the_reader_saw_it(node_shop: NodeShop) -> None:
    text = node_shop.entry_pass(at_ns=NOW - 65 * S)
    assert node_shop.scan(entry_pass=text).reason is Reason.PASS_EXPIRED
    assert node_shop.scan(entry_pass=text, at_ns=NOW - 6 * S).outcome is Outcome.ADMIT


def test_a_pass_opens_once_at_all_gates_also_after_a_restart(node_shop: NodeShop) -> None:
    text = node_shop.entry_pass()
    assert node_shop.scan(entry_pass=text).outcome is Outcome.ADMIT
    assert node_shop.scan("side", entry_pass=text).reason is Reason.PASS_USED
    node_shop.restart()
    assert node_shop.scan(entry_pass=text).reason is Reason.PASS_USED
    assert len(node_shop.queued()) == 1


def test_a_pass_that_was_refused_for_want_of_room_opens_later(node_shop: NodeShop) -> None:
    text = node_shop.entry_pass()
    assert node_shop.scan(entry_pass=text, keeper=node_shop.make(capacity=1), party_size=2).reason is Reason.STORE_FULL
    assert node_shop.scan(entry_pass=text, party_size=2).outcome is Outcome.ADMIT


def test_debtors_and_others_whom_billing_refuses(node_shop: NodeShop) -> None:
    who = node_shop.shopper()
    card = node_shop.shoppers.get(who).card
    assert card is not None
    node_shop.in_debt(card.token, who)
    assert reasons([node_shop.scan(entry_pass=node_shop.entry_pass(who)), node_shop.scan(token=card.token)]) == [
        "debtor",
        "debtor",
    ]
    gone = issue(node_shop.keyring.pass_key, UUID(int=5), random_nonce(), NOW)
    assert node_shop.scan(entry_pass=gone).reason is Reason.NO_ACCOUNT
    used = node_shop.entry_pass()
    node_shop.shoppers.admit(used, "elsewhere", 1, NOW)  # at another store's gate
    assert node_shop.scan(entry_pass=used).reason is Reason.PASS_USED
    assert node_shop.queued() == []


def test_every_reason_has_an_outcome_and_words() -> None:
    assert set(SAID) == set(Reason)
    assert all(sentence.endswith(".") and len(sentence) <= 90 for _, sentence in SAID.values())
    assert {outcome for outcome, _ in SAID.values()} == set(Outcome)


class Away:
    """Billing that does not answer."""

    def refused(self, token: str, at_ns: int) -> Refusal | None:
        raise BooksAway("no answer")


def test_without_billing_staff_are_called(node_shop: NodeShop) -> None:
    node_shop.standing = Away()
    said = node_shop.scan(entry_pass=node_shop.entry_pass(), keeper=node_shop.make())
    assert (said.outcome, said.reason) == (Outcome.CALL_STAFF, Reason.BOOKS_AWAY)
    assert node_shop.told == ["gate: no answer"]


def test_without_billing_passes_open_where_the_store_says_so(node_shop: NodeShop) -> None:
    paying, owing = node_shop.shopper(), node_shop.shopper("5555555555554444")
    node_shop.refused.replace((owing,), NOW)
    node_shop.standing = Away()
    keeper = node_shop.make(offline="admit")
    shown = [
        {"entry_pass": node_shop.entry_pass(paying)},
        {"entry_pass": node_shop.entry_pass(owing)},
        {"token": "c-1"},
    ]
    said = [node_shop.scan(keeper=keeper, **each) for each in shown]
    assert reasons(said) == ["unchecked", "debtor", "books_away"]
    forged = forge(node_shop.entry_pass(paying))
    assert node_shop.scan(keeper=keeper, entry_pass=forged).outcome is Outcome.DENY


def test_what_billing_said_last_is_remembered_for_when_it_is_away(node_shop: NodeShop) -> None:
    who = node_shop.shopper()
    card = node_shop.shoppers.get(who).card
    assert card is not None
    node_shop.in_debt(card.token, who)
    node_shop.scan(entry_pass=node_shop.entry_pass(who))
    node_shop.standing = Away()
    node_shop.restart()
    keeper = node_shop.make(offline="admit")
    assert node_shop.scan(keeper=keeper, entry_pass=node_shop.entry_pass(who)).reason is Reason.DEBTOR
    node_shop.standing = BooksStanding(node_shop.service, node_shop.shoppers)
    node_shop.service.pay_cash(f"debt-{card.token}", "till", "anna", NOW)
    assert node_shop.scan(keeper=node_shop.make(), entry_pass=node_shop.entry_pass(who)).outcome is Outcome.ADMIT
    node_shop.standing = Away()
    keeper = node_shop.make(offline="admit")
    assert node_shop.scan(keeper=keeper, entry_pass=node_shop.entry_pass(who)).reason is Reason.UNCHECKED


def test_a_database_that_is_away_is_billing_that_is_away(node_shop: NodeShop, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked() -> Any:
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    text = node_shop.entry_pass()
    monkeypatch.setattr(node_shop.store, "reading", locked)
    assert node_shop.scan(entry_pass=text).reason is Reason.BOOKS_AWAY


def test_billing_that_hangs_is_waited_for_in_vain_no_longer(node_shop: NodeShop) -> None:
    released = threading.Event()

    class Hangs:
        def refused(self, token: str, at_ns: int) -> Refusal | None:
            released.wait()
            return None

    timed = TimedStanding(Hangs(), 20)
    node_shop.standing = timed
    assert node_shop.scan(keeper=node_shop.make()).reason is Reason.BOOKS_AWAY
    assert node_shop.told == ["gate: billing gave no answer within 20 ms"]
    released.set()
    timed.close()


def test_a_store_that_cannot_see_or_is_not_open(node_shop: NodeShop) -> None:
    blind = tuple(GateRow(gate_id, gate_id != "door") for gate_id in ("door", "side"))
    views = [
        open_view(gates=blind),
        open_view(is_open=False),
        open_view(faults=("camera cam-1 is dark",)),
        open_view(NOW - 6 * S),
        NOT_STARTED,
    ]
    said = []
    for view in views:
        node_shop.node.publish(view)
        said.append(node_shop.scan())
    assert reasons(said) == ["not_seen", "closed", "fault", "behind", "fault"]
    assert [each.outcome.value for each in said] == ["call_staff", "deny", "call_staff", "call_staff", "call_staff"]
    node_shop.node.publish(views[0])
    assert node_shop.scan("side").outcome is Outcome.ADMIT


def test_a_manager_may_let_people_in_despite_faults(node_shop: NodeShop) -> None:
    faults = ("camera cam-1 is dark",)
    node_shop.node.publish(open_view(faults=faults, despite_faults=True))
    assert node_shop.scan().outcome is Outcome.ADMIT
    node_shop.node.publish(open_view(faults=faults, despite_faults=True, is_open=False))
    assert node_shop.scan("side").reason is Reason.CLOSED


def test_capacity_counts_who_is_inside_and_who_is_coming(node_shop: NodeShop) -> None:
    keeper = node_shop.make(capacity=5)
    waiting = visit_row(1, state=VisitState.WAITING, party_size=2, entered=1, opened_at_ns=NOW - 5 * S)
    node_shop.node.publish(open_view(people_inside=2, visits=(waiting,)))
    assert node_shop.scan(keeper=keeper, party_size=3).reason is Reason.STORE_FULL
    assert node_shop.scan(keeper=keeper, party_size=2).outcome is Outcome.ADMIT
    assert node_shop.scan(keeper=keeper).reason is Reason.STORE_FULL  # the two are on their way
    (scan,) = node_shop.queued()
    # The engine has taken them, and nobody has come through the gate yet.
    row = visit_row(2, scan_id=scan.scan_id, state=VisitState.WAITING, party_size=2, entered=0, opened_at_ns=NOW)
    node_shop.node.publish(open_view(NOW + S, people_inside=2, visits=(waiting, row)))
    assert node_shop.scan(keeper=keeper).reason is Reason.STORE_FULL
    # One has entered, the other has not, and another shopper has left.
    row = visit_row(2, scan_id=scan.scan_id, party_size=2, entered=1, opened_at_ns=NOW)
    node_shop.node.publish(open_view(NOW + S, people_inside=2, visits=(waiting, row)))
    assert node_shop.scan(keeper=keeper).outcome is Outcome.ADMIT


def test_seats_of_those_who_never_came_are_given_away(node_shop: NodeShop) -> None:
    keeper = node_shop.make(capacity=1)
    assert node_shop.scan(keeper=keeper).outcome is Outcome.ADMIT
    assert node_shop.scan(keeper=keeper).reason is Reason.STORE_FULL
    node_shop.node.publish(open_view(NOW + S))  # the engine has taken the scan, and the visit is closed again
    node_shop.at_ns = NOW + S
    assert node_shop.scan(keeper=keeper).outcome is Outcome.ADMIT
    node_shop.at_ns = NOW + 32 * S
    lost = visit_row(3, state=VisitState.WAITING, entered=0, opened_at_ns=NOW + S)
    node_shop.node.publish(open_view(NOW + 32 * S, visits=(lost,)))
    assert node_shop.scan(keeper=keeper).outcome is Outcome.ADMIT


def test_the_same_scan_again_is_one_visit(node_shop: NodeShop) -> None:
    text = node_shop.entry_pass()
    first = node_shop.scan(entry_pass=text, key="r-1")
    node_shop.at_ns += 70 * S  # the pass has expired, the store has closed
    node_shop.node.publish(NOT_STARTED)
    again = node_shop.scan(entry_pass=text, key="r-1")
    node_shop.restart()
    later = node_shop.scan(entry_pass=text, key="r-1")
    assert (first.is_repeat, again.is_repeat, later.is_repeat) == (False, True, True)
    assert first.visit_id == again.visit_id == later.visit_id is not None
    assert len(node_shop.queued()) == 1


def test_a_refused_scan_again_is_refused_again(node_shop: NodeShop) -> None:
    node_shop.node.publish(NOT_STARTED)
    assert node_shop.scan(key="r-1").reason is Reason.FAULT
    node_shop.node.publish(open_view())
    again = node_shop.scan(key="r-1")
    assert (again.reason, again.is_repeat) == (Reason.FAULT, True)
    assert node_shop.scan(key="r-2").outcome is Outcome.ADMIT
    assert node_shop.scan("side", key="r-1").outcome is Outcome.ADMIT  # another gate's ids are its own


def test_one_key_is_for_one_scan(node_shop: NodeShop) -> None:
    node_shop.scan(key="r-1")
    with pytest.raises(ScanReused, match="'r-1' came with another scan at door"):
        node_shop.scan(token="card-2", key="r-1")
    with pytest.raises(ScanReused):
        node_shop.scan(party_size=2, key="r-1")
    node_shop.restart()
    with pytest.raises(ScanReused):
        node_shop.scan(token="card-2", key="r-1")


def test_an_id_of_long_ago_is_a_new_scan(node_shop: NodeShop) -> None:
    """A reader that counts from 1 after each start must not open the gate by yesterday's scan without a visit."""
    first, refused = node_shop.scan(key="1"), node_shop.scan(key="2", party_size=7)
    node_shop.restart()
    node_shop.at_ns += 121 * S
    node_shop.node.publish(open_view(node_shop.at_ns))
    again = node_shop.scan(key="1")
    assert (again.outcome, again.is_repeat) == (Outcome.ADMIT, False)
    assert again.visit_id != first.visit_id
    assert refused.reason is Reason.PARTY_SIZE
    assert node_shop.scan(key="2", token="card-2").outcome is Outcome.ADMIT
    assert node_shop.scan(key="1").visit_id == again.visit_id
    assert len(node_shop.queued()) == 3


def test_scans_without_a_key_are_each_a_scan(node_shop: NodeShop) -> None:
    assert node_shop.scan().visit_id != node_shop.scan().visit_id
    assert len({scan.scan_id for scan in node_shop.queued()}) == 2


def test_one_scan_from_many_threads_is_one_visit(node_shop: NodeShop) -> None:
    text, found = node_shop.entry_pass(), []
    begin = threading.Barrier(8)

    def scan() -> None:
        begin.wait()
        found.append(node_shop.scan(entry_pass=text, key="r-1"))

    threads = [threading.Thread(target=scan) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.visit_id for each in found}) == 1
    assert [each.outcome for each in found] == [Outcome.ADMIT] * 8
    assert len(node_shop.queued()) == 1


def test_a_repeat_that_finds_its_own_pass_used_is_let_in(node_shop: NodeShop) -> None:
    """The first one is let in, and its visit opened in billing, while billing is asked about the second one."""
    text, inner = node_shop.entry_pass(), node_shop.standing
    found = []

    class Slow:
        def refused(self, token: str, at_ns: int) -> Refusal | None:
            node_shop.standing = inner
            found.append(node_shop.scan(keeper=node_shop.make(), entry_pass=text, key="r-1"))
            node_shop.shoppers.admit(text, found[0].visit_id or "", 1, NOW)
            return inner.refused(token, at_ns)

    node_shop.standing = Slow()
    again = node_shop.scan(keeper=node_shop.make(), entry_pass=text, key="r-1")
    assert (found[0].outcome, again.outcome, again.is_repeat) == (Outcome.ADMIT, Outcome.ADMIT, True)
    assert node_shop.scan(entry_pass=text, key="r-1").visit_id == again.visit_id == found[0].visit_id
    assert len(node_shop.queued()) == 1


def test_one_pass_from_many_threads_opens_once(node_shop: NodeShop) -> None:
    text, found = node_shop.entry_pass(), []
    threads = [threading.Thread(target=lambda: found.append(node_shop.scan(entry_pass=text))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reasons(found)) == ["pass_used"] * 7 + ["welcome"]


@pytest.mark.parametrize("error", [NodeFull("full"), NodeStopped("the disk is full")])
def test_a_scan_that_cannot_be_kept_calls_staff_and_goes_on_when_it_is_sent_again(
    node_shop: NodeShop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """As after a crash between the gates' memory and the engine's inbox."""

    def broken(scan: GateScanned) -> None:
        raise error

    text = node_shop.entry_pass()
    with monkeypatch.context() as patched:
        patched.setattr(node_shop.node, "admit", broken)
        said = node_shop.scan(entry_pass=text, key="r-1")
        assert (said.outcome, said.reason) == (Outcome.CALL_STAFF, Reason.NOT_KEPT)
        assert node_shop.told == [f"gate: {error}"]
    node_shop.restart()
    again = node_shop.scan(entry_pass=text, key="r-1")
    assert (again.outcome, again.is_repeat) == (Outcome.ADMIT, True)
    assert [scan.scan_id for scan in node_shop.queued()] == [again.scan_id]


def test_a_memory_that_cannot_be_written_lets_nobody_in(node_shop: NodeShop) -> None:
    text = node_shop.entry_pass()
    node_shop.memory.close()
    assert node_shop.scan(entry_pass=text).reason is Reason.NOT_KEPT
    assert node_shop.queued() == []


class Kept:
    """Keys that are what a test says, and found when they are looked for."""

    def __init__(self, known: KnownKeys, later: KnownKeys | None = None) -> None:
        self.known, self.later, self.looked = known, later, 0

    def current(self, at_ns: int) -> KnownKeys:
        return self.known

    def look_again(self, at_ns: int) -> bool:
        self.looked += 1
        if self.later is None:
            return False
        self.known = self.later
        return True


def test_keys_that_are_too_old_or_were_never_there(node_shop: NodeShop) -> None:
    text, key = node_shop.entry_pass(), node_shop.keyring.pass_key.public()
    week_ns = 7 * 86_400 * S
    found = []
    for known in (
        KnownKeys((), None, 0),
        KnownKeys((), None, NOW),
        KnownKeys((key,), PassPolicy(), NOW - week_ns - 1),
        KnownKeys((key,), PassPolicy(), NOW - week_ns),
    ):
        node_shop.pass_keys = Kept(known)
        found.append(node_shop.scan(entry_pass=text, keeper=node_shop.make()))
    assert reasons(found) == ["keys_old", "pass_key_unknown", "keys_old", "welcome"]


def test_a_new_key_is_asked_for_when_a_pass_has_it(node_shop: NodeShop) -> None:
    text, key = node_shop.entry_pass(), node_shop.keyring.pass_key.public()
    before = KnownKeys((Keyring.generate().pass_key.public(),), PassPolicy(), NOW)
    keys = Kept(before, KnownKeys((key,), PassPolicy(), NOW))
    node_shop.pass_keys = keys
    assert node_shop.scan(entry_pass=text, keeper=node_shop.make()).outcome is Outcome.ADMIT
    assert keys.looked == 1
    keys = Kept(before, before)
    node_shop.pass_keys = keys
    assert node_shop.scan(entry_pass=text, keeper=node_shop.make()).reason is Reason.PASS_KEY_UNKNOWN
    assert keys.looked == 1


def test_the_memory_forgets_what_is_old_and_takes_none_of_it_again(node_shop: NodeShop) -> None:
    who, file = node_shop.shopper(), node_shop.place / "gates.journal"
    node_shop.memory.close()
    node_shop.memory = GateMemory(file, 120 * S, compact_after=10)
    keeper = node_shop.make(entry_wait_s=1.0)
    first = node_shop.entry_pass(who)
    for number in range(40):
        text = first if number == 0 else node_shop.entry_pass(who)
        assert node_shop.scan(keeper=keeper, entry_pass=text, key=f"r-{number}").outcome is Outcome.ADMIT
        node_shop.at_ns += 600 * S
        node_shop.node.publish(open_view(node_shop.at_ns))
    assert file.read_bytes().count(b"\n") < 25
    node_shop.memory.close()
    node_shop.memory = GateMemory(file, 120 * S)
    node_shop.at_ns = NOW  # a clock that was set back
    node_shop.node.publish(open_view(NOW))
    assert node_shop.scan(keeper=node_shop.make(), entry_pass=first).reason is Reason.PASS_USED
