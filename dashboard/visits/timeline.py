"""One visit as a timeline: what became known from the log, of its money, and what people wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from billing.money import Money
from billing.texts import Texts
from dashboard.visits import words
from dashboard.visits.desk import VisitDesk, seen_moments
from dashboard.visits.types import Account, ClipOf, Moment, Note, Story


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the timeline. ``kind`` is for its looks, ``mark`` its number on the map, ``units`` what the cart then held."""

    at_ns: int
    kind: str
    text: str
    detail: str = ""
    mark: int | None = None
    units: int | None = None
    clips: tuple[ClipOf, ...] = ()


@dataclass(frozen=True, slots=True)
class Steps:
    """The cart over time as a line of steps, ``most`` units high, in a drawing of ``STEPS_SIZE``."""

    points: str
    most: int


STEPS_SIZE = (400, 60)


def steps_of(entries: tuple[Entry, ...], from_ns: int, to_ns: int) -> Steps | None:
    """Return how a cart grew, None where it changed less than twice."""
    changes = [(entry.at_ns, entry.units) for entry in entries if entry.units is not None]
    if len(changes) < 2:
        return None
    width, height = STEPS_SIZE
    first_ns, last_ns = min(from_ns, changes[0][0]), max(to_ns, changes[-1][0])
    most = max(1, *(units for _, units in changes))
    units, points = 0, [(0.0, float(height))]
    for at_ns, after in [*changes, (last_ns, changes[-1][1])]:
        x = width * (at_ns - first_ns) / max(1, last_ns - first_ns)
        points += [(x, height - height * max(0, each) / most) for each in (units, after)]
        units = after
    return Steps(" ".join(f"{x:.1f},{y:.1f}" for x, y in points), most)


@dataclass(frozen=True, slots=True)
class Teller:
    """Puts a visit into words. ``sees_money`` leaves payments in."""

    desk: VisitDesk
    story: Story
    account: Account
    notes: tuple[Note, ...]
    texts: Texts
    sees_money: bool

    def entries(self) -> tuple[Entry, ...]:
        """Return all lines, the earliest first."""
        clips = self.desk.clips_of(self.story)
        found = [*self._crossings(), *self._hands(clips), *self._moments(clips), *self._refunds(), *self._disputes()]
        found += [Entry(note.at_ns, "note", note.text, note.who) for note in self.notes]
        return tuple(sorted(found, key=lambda entry: entry.at_ns))

    def marks(self) -> Mapping[str, int]:
        """Return the numbers of interactions on the map, in the order in which they were."""
        return {each.body["interaction_id"]: number for number, each in enumerate(self.story.interactions, start=1)}

    def _name(self, sku: str | None) -> str:
        return "" if sku is None else self.desk.names.get(sku, sku)

    def _moments(self, clips: Mapping[str, tuple[ClipOf, ...]]) -> Iterator[Entry]:
        units, marks = 0, self.marks()
        for moment in seen_moments(self.story.moments, sees_money=self.sees_money):
            body, at_ns = moment.body, moment.at_ns
            if moment.kind == "CartEvent":
                units += body["quantity_delta"]
                text = words.change_words(body["quantity_delta"], self._name(body["sku"]), body["kind"], self.texts)
                mark = marks.get(body["interaction_id"] or "")
                yield Entry(at_ns, "cart", text, self._sure(body["probability"]), mark, units)
            elif moment.kind == "ReviewOpened":
                shown = clips.get(body["review_id"], ()) if body["interaction_id"] not in clips else ()
                yield Entry(at_ns, "ask", *self._asked(body), clips=shown)
            else:
                kind, text, detail = self._plain(moment)
                yield Entry(at_ns, kind, text, detail)

    def _asked(self, body: Mapping[str, Any]) -> tuple[str, str]:
        _ = self.texts
        return _("An operator is asked"), words.doubt_words(body["reason"], _)

    def _plain(self, moment: Moment) -> tuple[str, str, str]:
        """Return the looks, words and detail of what changes no cart."""
        _, body = self.texts, moment.body
        match moment.kind:
            case "VisitOpened":
                told = _("A group of {count}", count=body["party_size"]) if body["party_size"] > 1 else ""
                return "gate", _("Scanned at gate {gate}", gate=body["gate_id"] or "–"), told
            case "ReviewClosed":
                answer = _("nothing changes") if not body["quantity_delta"] else ""
                if body["sku"] and body["quantity_delta"]:
                    answer = f"{body['quantity_delta']:+d} × {self._name(body['sku'])}".replace("-", "−")
                return "ask", words.closer_words(body["by"], _), answer
            case "VisitClosed":
                return "gate", words.left_words(body["reason"], _), ""
            case "VisitReopened":
                return "gate", _("Came back"), ""
            case "ReceiptFinalised":
                count = sum(line["quantity"] for line in body["lines"])
                told = _("after a review") if body["reviewed"] else ""
                return "money", _("The receipt is final: {count} units", count=count), told
            case "Charge":
                amount = self.texts.money(Money(body["amount_minor"], body["currency"]))
                return (
                    "money",
                    _("Charge {number}: {amount}", number=body["number"], amount=amount),
                    words.charge_words(body["state"], _),
                )
            case "Admission":
                return "trouble", _("Billing would not let them in"), str(body["refused"])
        return "trouble", _("Billing refused"), f"{body.get('what', '')} {body.get('reason', '')}".strip()

    def _sure(self, probability: float) -> str:
        return self.texts("{share} % sure", share=round(100 * probability))

    def _hands(self, clips: Mapping[str, tuple[ClipOf, ...]]) -> Iterator[Entry]:
        _, marks = self.texts, self.marks()
        for each in self.story.interactions:
            body, change = each.body, each.body["change"]
            place = (
                _("slot {slot}", slot=body["slot_id"])
                if body["slot_id"]
                else _("shelf {shelf}", shelf=body["shelf_id"])
            )
            if change is None:
                text = _("A hand at {place}: what changed is not known", place=place)
            elif change == 0:
                text = _("A hand at {place}: nothing changed", place=place)
            elif change < 0:
                text = _("A hand at {place}: {count} fewer", place=place, count=-change)
            else:
                text = _("A hand at {place}: {count} more", place=place, count=change)
            told = [self._sure(body["change_probability"])]
            told += (
                [_("left out of the cart: {reason}", reason=words.doubt_words(body["dismissed"], _))]
                if body["dismissed"]
                else []
            )
            number = marks[body["interaction_id"]]
            yield Entry(each.at_ns, "hand", text, ", ".join(told), number, clips=clips.get(body["interaction_id"], ()))

    def _crossings(self) -> Iterator[Entry]:
        _ = self.texts
        for each in self.story.crossings:
            person = _("person {number}", number=each.body["person_id"])
            if each.body["kind"] == "PersonVanished":
                yield Entry(each.at_ns, "gate", _("No longer seen"), person)
            elif each.body["direction"] == "in":
                yield Entry(each.at_ns, "gate", _("In through gate {gate}", gate=each.body["gate_id"]), person)
            else:
                yield Entry(each.at_ns, "gate", _("Out through gate {gate}", gate=each.body["gate_id"]), person)

    def _refunds(self) -> Iterator[Entry]:
        _ = self.texts
        for refund in self.account.refunds:
            told = [words.reasons(_)[refund.reason]]
            if self.sees_money:
                told = [_.money(refund.amount), *told, words.refund_words(refund.state, _)]
            text = _("Given back: {items}", items=words.items_words(refund.items, self.desk.names))
            yield Entry(refund.created_at_ns, "money", text, " · ".join(told))

    def _disputes(self) -> Iterator[Entry]:
        _ = self.texts
        for dispute in self.account.disputes:
            asked = dispute.asked
            items = words.items_words(asked.items, self.desk.names)
            yield Entry(asked.at_ns, "ask", _("The shopper contests: {items}", items=items), asked.text)
            if dispute.decided_at_ns is not None:
                by = _("{state} by {who}", state=words.dispute_words(dispute.state, _), who=dispute.decided_by or "")
                yield Entry(
                    dispute.decided_at_ns, "ask", _("The dispute is decided"), f"{by}. {dispute.note or ''}".strip()
                )
