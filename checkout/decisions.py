"""What an interaction most likely was: pure functions from candidates and carts to one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from checkout.settings import CheckoutPolicy
from vision.types import Interaction, PersonCandidate, SkuCandidate

_DIGITS = 6
"""Decimals of emitted probabilities, so that logs are the same on every machine."""

Verdict = Literal["apply", "review", "dismiss"]


@dataclass(frozen=True, slots=True)
class Who:
    """One answer to "which visit"; None is nobody who has one. ``person_id`` is the likeliest of its people."""

    visit_id: str | None
    person_id: int | None
    probability: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The likeliest reading of an interaction and what to do about it.

    ``reason`` names the doubt for a review or the cause of a dismissal, and is empty otherwise.
    ``handed_from`` is the visit that took what another one put back.
    """

    verdict: Verdict
    reason: str
    who: Who
    sku: str | None
    quantity_delta: int
    probability: float
    handed_from: str | None = None


def who_did_it(candidates: Sequence[PersonCandidate], visit_of: Callable[[int], str | None]) -> tuple[Who, ...]:
    """Add up person candidates by visit, likeliest first; the rest up to 1 is nobody's.

    People of one party are one payer, so doubt between them is none.
    """
    totals: dict[str | None, float] = {}
    first: dict[str | None, int | None] = {}
    for candidate in candidates:
        visit_id = visit_of(candidate.person_id)
        totals[visit_id] = totals.get(visit_id, 0.0) + candidate.probability
        first.setdefault(visit_id, candidate.person_id)
    rest = max(0.0, 1.0 - sum(candidate.probability for candidate in candidates))
    if rest > 1e-6:
        totals[None] = totals.get(None, 0.0) + rest
        first.setdefault(None, None)
    people = [Who(visit_id, first[visit_id], round(chance, _DIGITS)) for visit_id, chance in totals.items()]
    return tuple(sorted(people, key=lambda who: (-who.probability, who.visit_id is None, who.visit_id or "")))


def decide(
    interaction: Interaction,
    people: Sequence[Who],
    holds: Callable[[str | None], Mapping[str, int]],
    open_visits: Sequence[str],
    policy: CheckoutPolicy,
) -> Answer:
    """Read one interaction. ``people`` as from ``who_did_it``, never empty; ``holds`` gives a visit's cart."""
    skus = interaction.sku_candidates
    if interaction.change == 0:
        return Answer("dismiss", "no_change", people[0], None, 0, 0.0)
    if interaction.change is None:
        return _unknown_change(interaction, people[0], policy)
    if not skus:
        return Answer("review", "unknown_product", people[0], None, 0, 0.0)
    if interaction.change < 0:
        chance = _product(people[0].probability, skus[0].probability, interaction.change_probability)
        return _judge(people[0], skus[0].sku, -interaction.change, chance, policy)
    return _returned(interaction, people, holds, open_visits, policy)


def _unknown_change(interaction: Interaction, who: Who, policy: CheckoutPolicy) -> Answer:
    likely = interaction.change_probability >= policy.reviews.unknown_change_probability_min
    asks = likely and policy.reviews.unknown_change == "review"
    sku = interaction.sku_candidates[0].sku if interaction.sku_candidates else None
    chance = _product(who.probability, interaction.change_probability)
    return Answer("review" if asks else "dismiss", "unknown_change", who, sku, 0, chance)


def _judge(who: Who, sku: str, delta: int, chance: float, policy: CheckoutPolicy, handed: str | None = None) -> Answer:
    if chance >= policy.reviews.accept_probability_min:
        return Answer("apply", "", who, sku, delta, chance, handed)
    if chance < policy.reviews.ignore_probability_max:
        return Answer("dismiss", "improbable", who, sku, delta, chance, handed)
    return Answer("review", "doubtful", who, sku, delta, chance, handed)


def _returned(
    interaction: Interaction,
    people: Sequence[Who],
    holds: Callable[[str | None], Mapping[str, int]],
    open_visits: Sequence[str],
    policy: CheckoutPolicy,
) -> Answer:
    """A put-back: by the likeliest visit that holds such a product, else handed over, else impossible."""
    count = interaction.change or 0
    options = [
        (_product(who.probability, fit, interaction.change_probability), who, sku)
        for who in people
        if who.probability >= policy.reviews.candidate_probability_min
        for sku, fit in [_held(interaction.sku_candidates, holds(who.visit_id), count, policy)]
        if sku is not None
    ]
    if options:
        chance, who, sku = max(options, key=lambda option: option[0])
        return _judge(who, sku, -count, chance, policy)
    return _handed_over(interaction, people[0], holds, open_visits, policy)


def _held(
    skus: Sequence[SkuCandidate], cart: Mapping[str, int], count: int, policy: CheckoutPolicy
) -> tuple[str | None, float]:
    """Return the likeliest candidate that ``cart`` holds ``count`` of, and its chance among those held.

    What is put back was taken before, so candidates outside the cart fall away, but only where the
    product looks like the held one at all (``return_evidence_min``).
    """
    held = [candidate for candidate in skus if cart.get(candidate.sku, 0) >= count]
    weight = sum(candidate.probability for candidate in held)
    if not held or weight < policy.return_evidence_min or weight <= 0:
        return None, 0.0
    return held[0].sku, held[0].probability / weight


def _handed_over(
    interaction: Interaction,
    who: Who,
    holds: Callable[[str | None], Mapping[str, int]],
    open_visits: Sequence[str],
    policy: CheckoutPolicy,
) -> Answer:
    """Nobody who was there holds it. Exactly one other visit does: it handed the product over."""
    count, top = interaction.change or 0, interaction.sku_candidates[0]
    holders = [visit_id for visit_id in open_visits if holds(visit_id).get(top.sku, 0) >= count]
    chance = _product(top.probability, interaction.change_probability)
    if chance < policy.reviews.ignore_probability_max:
        return Answer("dismiss", "improbable", who, top.sku, -count, chance)
    if not holders:
        return Answer("review", "impossible_return", who, top.sku, 0, _product(who.probability, chance))
    if len(holders) > 1 or policy.hand_over == "ask":
        return Answer("review", "handed_over", who, top.sku, -count, _product(chance, 1 / len(holders)), holders[0])
    answer = _judge(who, top.sku, -count, chance, policy, holders[0])
    return replace(answer, reason="handed_over")


def _product(*chances: float) -> float:
    total = 1.0
    for chance in chances:
        total *= chance
    return round(total, _DIGITS)
