"""What an operator may answer to a review, numbered, with how likely each is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from checkout.types import ReviewAnswered, ReviewOpened
from tillfree.live.errors import AnswerRefused, UnknownReview
from tillfree.live.node import NodeView

_MOST_SKUS = 5
"""Products that are offered; an operator who sees another one names it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer. ``probability`` is the product's, None where vision does not say; of visits the likeliest comes first.

    ``quantity`` is positive for what was taken; without a product nothing happened.
    """

    number: int
    visit_id: str | None
    sku: str | None
    quantity: int
    probability: float | None


def candidates(review: ReviewOpened) -> tuple[Candidate, ...]:
    """Return the answers to choose from; the last is that nothing happened."""
    quantity = 1 if review.change is None else -review.change
    skus = sorted(review.sku_candidates, key=lambda each: -each.probability)[:_MOST_SKUS]
    found = [
        (visit_id, each.sku, quantity, each.probability) for visit_id in review.visit_ids for each in skus if quantity
    ]
    found.append((None, None, 0, None))  # type: ignore[arg-type]  # nothing has no visit, product or probability
    return tuple(Candidate(number, *each) for number, each in enumerate(found, start=1))


def chosen(view: NodeView, review_id: str, number: int, at_ns: int) -> ReviewAnswered:
    """Return the answer with this number. Raises UnknownReview, AnswerRefused for a number that there is not."""
    options = candidates(_open(view, review_id))
    if not 1 <= number <= len(options):
        raise AnswerRefused(f"{review_id} has the answers 1 to {len(options)}, not {number}")
    option = options[number - 1]
    return ReviewAnswered(review_id, at_ns, option.visit_id, option.sku, option.quantity)


def named(
    view: NodeView,
    review_id: str,
    visit_id: str | None,
    sku: str | None,
    quantity: int,
    skus: Collection[str],
    at_ns: int,
) -> ReviewAnswered:
    """Return an answer in an operator's own words; without ``sku`` and ``quantity`` nothing happened.

    Raises UnknownReview, AnswerRefused for a visit or product that is not there, or half an answer.
    """
    _open(view, review_id)
    if (sku is None) != (quantity == 0):
        raise AnswerRefused("say a product and a quantity other than 0, or neither: nothing happened then")
    if sku is None and visit_id is not None:
        raise AnswerRefused("an answer that nothing happened names no visit")
    if sku is not None and sku not in skus:
        raise AnswerRefused(f"the store has no product {sku!r}")
    if visit_id is not None and all(visit.visit_id != visit_id for visit in view.visits):
        raise AnswerRefused(f"visit {visit_id!r} is not open: its receipt is final, or there is none")
    if quantity < 0 and visit_id is not None and _held(view, visit_id, sku) + quantity < 0:
        raise AnswerRefused(f"visit {visit_id} does not hold {-quantity} of {sku}")
    return ReviewAnswered(review_id, at_ns, visit_id, sku, quantity)


def _open(view: NodeView, review_id: str) -> ReviewOpened:
    review = view.review(review_id)
    if review is None:
        raise UnknownReview(f"review {review_id!r} is not open: it was answered, fell due, or there is none")
    return review


def _held(view: NodeView, visit_id: str, sku: str | None) -> int:
    lines = next(visit.lines for visit in view.visits if visit.visit_id == visit_id)
    return sum(line.quantity for line in lines if line.sku == sku)
