"""What people type as an answer, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.errors import Refused
from dashboard.reviews.types import Outcome, Question

NOBODY = "-"
"""In forms: nobody who is known."""


@dataclass(frozen=True, slots=True)
class Typed:
    """An answer in one's own words: ``product`` is a SKU or a name, ``direction`` is ``take`` or ``put``."""

    visit: str = ""
    product: str = ""
    direction: str = "take"
    count: int = 1


def chosen(question: Question, number: int) -> Outcome:
    """Return the answer with a number; 0 is nothing. Raises Refused."""
    if number == 0:
        return Outcome()
    found = next((each.outcome for each in question.choices if each.number == number), None)
    if found is None:
        raise Refused(f"{question.review_id} has no answer {number}")
    return found


def meant(typed: Typed, names: Mapping[str, str]) -> Outcome:
    """Return the answer that somebody typed. Raises Refused for a product that is not known, or half an answer."""
    sku = product_of(typed.product, names)
    if typed.direction not in ("take", "put"):
        raise Refused("say whether it was taken or put back")
    if not 1 <= typed.count <= 100:
        raise Refused("say how many, from 1 to 100")
    visit_id = None if typed.visit in ("", NOBODY) else typed.visit
    return Outcome(visit_id, sku, typed.count if typed.direction == "take" else -typed.count)


def product_of(text: str, names: Mapping[str, str]) -> str:
    """Return the SKU that ``text`` means: a SKU, a name, or the one name it is a part of. Raises Refused."""
    wanted = text.strip()
    if wanted in names:
        return wanted
    folded = wanted.casefold()
    same = [sku for sku, name in names.items() if name.casefold() == folded]
    parts = [sku for sku, name in names.items() if folded and (folded in name.casefold() or folded in sku.casefold())]
    for found in (same, parts):
        if len(found) == 1:
            return found[0]
    raise Refused(f"{text!r} is no one product of this store")
