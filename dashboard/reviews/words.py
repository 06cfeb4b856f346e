"""Questions and answers in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from billing.texts import Texts
from dashboard.reviews.desk import Entry, Told
from dashboard.reviews.types import Near, Outcome, Question


@dataclass(frozen=True, slots=True)
class Wording:
    """Says things in one language. ``names`` are products by SKU, ``numbers`` visits as the live page counts them."""

    texts: Texts
    names: Mapping[str, str]
    numbers: Mapping[str, int]

    @classmethod
    def of(cls, texts: Texts, names: Mapping[str, str], questions: Iterable[Question]) -> Wording:
        """Return what says things of these questions."""
        return cls(texts, names, {near.visit_id: near.number for each in questions for near in each.near})

    def product(self, sku: str) -> str:
        """Return a product's name."""
        return self.names.get(sku, sku)

    def visit(self, visit_id: str | None) -> str:
        """Return who a visit is."""
        _ = self.texts
        if visit_id is None:
            return _("nobody known")
        number = self.numbers.get(visit_id)
        return visit_id if number is None else _("visit {number}", number=number + 1)

    def outcome(self, outcome: Outcome) -> str:
        """Return what happened, in a few words."""
        _ = self.texts
        if outcome.sku is None:
            return _("Nothing happened")
        count, product, who = abs(outcome.quantity), self.product(outcome.sku), self.visit(outcome.visit_id)
        if outcome.quantity > 0:
            return _("{count} × {product}, taken by {who}", count=count, product=product, who=who)
        return _("{count} × {product}, put back by {who}", count=count, product=product, who=who)

    def near(self, near: Near) -> str:
        """Return a visit with what it holds."""
        _ = self.texts
        held = ", ".join(f"{quantity} × {self.product(sku)}" for sku, quantity in near.lines)
        return held or _("nothing yet")

    def state(self, near: Near) -> str:
        """Return where a visit stands."""
        _ = self.texts
        words = {"waiting": _("expected"), "shopping": _("shopping"), "left": _("has left")}
        return words.get(near.state, near.state)

    def ask(self, question: Question) -> str:
        """Return the question itself."""
        _ = self.texts
        words = {
            "doubtful": _("Who took or put back what?"),
            "unknown_change": _("Was anything taken here?"),
            "unknown_product": _("Which product was it?"),
            "nobody_seen": _("Who did this? Nobody was seen."),
            "unscanned_person": _("Who is this? They did not scan at a gate."),
            "handed_over": _("Whose was it? It went from hand to hand."),
            "impossible_return": _("Who put this back? Nobody is known to have had it."),
            "after_final": _("Whose is this? The receipt was final."),
            "unseen_shelves": _("What happened while no camera saw the shelves?"),
            "overloaded": _("What happened while there was no time to look?"),
        }
        return words.get(question.reason, question.reason)

    def told(self, told: Told) -> str:
        """Return what came of an answer that was not taken."""
        _ = self.texts
        words = {
            "late": _("The answer to {review} came too late: the question was closed.", review=told.review_id),
            "other": _("{review} has another answer already.", review=told.review_id),
            "refused": _("The answer to {review} was refused.", review=told.review_id),
            "unlabelled": _(
                "The answer to {review} counts, but could not be kept as an example.", review=told.review_id
            ),
        }
        return words[told.what]

    def held(self, entry: Entry, me: str) -> str:
        """Return who has a question, empty for nobody."""
        _ = self.texts
        if entry.pending is not None:
            return _("answered by {who}", who=entry.pending.who)
        if entry.holder is None:
            return ""
        return _("open with you") if entry.holder == me else _("open with {who}", who=entry.holder)
