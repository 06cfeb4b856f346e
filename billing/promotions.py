"""Promotions as data, and which of them a cart gets.

The rule, in three steps. Only promotions that are valid at the receipt's time count, member prices only for members,
and every unit of a product is used by one promotion at most.

1. Group promotions (``NForM``, ``Bundle``) come first, in order of priority, then id. Each takes as many whole groups as
   the units that are still free allow.
2. Every unit that is left over gets the unit promotion (``PercentOff``, ``AmountOff``, ``MemberPrice``) that takes most
   off its product; among equals the one that is first by priority, then id.
3. A group promotion that costs the shopper more than it gives is left out: of all selections of group promotions, the
   one counts after which least is to be paid, tax that comes on top included; among equals the one with the first
   group promotion that the other lacks.

So another promotion never makes a cart dearer: every selection that was possible before is possible with it. Group
promotions that share products are searched together, those that share none by themselves; ``MOST_LINKED`` bounds the
search. It is no perfect search: a group promotion that counts takes all the groups that it can.

Times are Unix time in nanoseconds, amounts minor units; nothing here knows of tax but the weight of a unit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from billing.errors import PriceError
from billing.money import Money, Rounding, round_minor, shares

MOST_LINKED = 10
"""Group promotions that hold at the same time and hang together by products they share, at most: as many selections as
2 to this power are looked at. A book with more is refused, not searched badly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every promotion has. Lower ``priority`` comes first; ``valid_until_ns`` is the first instant after it."""

    promotion_id: str
    name: str
    skus: tuple[str, ...]
    priority: int = 0
    valid_from_ns: int | None = None
    valid_until_ns: int | None = None

    def is_valid(self, at_ns: int) -> bool:
        """Say whether it holds at ``at_ns``."""
        begun = self.valid_from_ns is None or self.valid_from_ns <= at_ns
        return begun and (self.valid_until_ns is None or at_ns < self.valid_until_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class NForM(Terms):
    """Of ``take`` units ``pay`` are paid, the cheapest are free: 3 for 2. Units of all ``skus`` count together.

    The dearest units are grouped first, so that most is free.
    """

    take: int
    pay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(Terms):
    """One unit of each of ``skus`` (a SKU that stands twice: two) together for ``price``."""

    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentOff(Terms):
    """Each unit of ``skus`` is ``percent`` cheaper, rounded once a product."""

    percent: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountOff(Terms):
    """Each unit of ``skus`` is cheaper by ``off``, or free where it costs less."""

    off: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPrice(Terms):
    """Each unit of ``skus`` costs members ``price``, where that is less."""

    price: Money


GroupPromotion = NForM | Bundle
UnitPromotion = PercentOff | AmountOff | MemberPrice
Promotion = GroupPromotion | UnitPromotion


@dataclass(frozen=True, slots=True)
class Goods:
    """Units of one product in a cart; ``weight`` is what one minor unit off saves, with tax that comes on top."""

    sku: str
    unit_price_minor: int
    quantity: int
    weight: Fraction


@dataclass(frozen=True, slots=True)
class Use:
    """What one promotion takes off, by SKU in minor units: never more than the units it used cost."""

    promotion: Promotion
    discounts_minor: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Island:
    """Products that no group promotion links to others, with what holds for them."""

    goods: Mapping[str, Goods]
    groups: tuple[GroupPromotion, ...]
    units: Mapping[str, tuple[UnitPromotion, ...]]
    rounding: Rounding


def available(promotions: Iterable[Promotion], at_ns: int, is_member: bool) -> tuple[Promotion, ...]:
    """Return the promotions that hold at ``at_ns`` for this shopper, by priority, then id."""
    held = (each for each in promotions if each.is_valid(at_ns) and (is_member or not is_for_members(each)))
    return tuple(sorted(held, key=order))


def order(promotion: Promotion) -> tuple[int, str]:
    """Return what promotions are sorted by: priority, then id."""
    return promotion.priority, promotion.promotion_id


def is_for_members(promotion: Promotion) -> bool:
    """Say whether only members get it."""
    return isinstance(promotion, MemberPrice)


def discounts(cart: Sequence[Goods], promotions: Sequence[Promotion], rounding: Rounding) -> tuple[Use, ...]:
    """Return what ``promotions`` (those of ``available``) take off a cart, by the rule at the top of this module.

    ``cart`` names each SKU once; its order does not matter.
    """
    uses = (use for island in _islands(cart, promotions, rounding) for use in _best(island))
    return tuple(sorted(uses, key=lambda use: (*order(use.promotion), *use.discounts_minor)))


def _islands(cart: Sequence[Goods], promotions: Sequence[Promotion], rounding: Rounding) -> Iterator[_Island]:
    goods = {each.sku: each for each in sorted(cart, key=lambda each: each.sku)}
    groups = [each for each in promotions if isinstance(each, NForM | Bundle)]
    single = [each for each in promotions if not isinstance(each, NForM | Bundle)]
    units = {sku: tuple(each for each in single if sku in each.skus) for sku in goods}
    for linked in _linked(groups, goods.keys()):
        reached = {sku for each in linked for sku in each.skus if sku in goods}
        yield _Island({sku: goods.pop(sku) for sku in sorted(reached)}, linked, units, rounding)
    for sku, alone in goods.items():
        yield _Island({sku: alone}, (), units, rounding)


def _linked(groups: Sequence[GroupPromotion], skus: Collection[str]) -> list[tuple[GroupPromotion, ...]]:
    """Return ``groups`` in parts that share no product of ``skus``, each in the order given; idle ones are left out."""
    parts: list[tuple[set[str], list[GroupPromotion]]] = []
    for promotion in groups:
        reached = {sku for sku in promotion.skus if sku in skus}
        if not reached:
            continue
        touched = [part for part in parts if part[0] & reached]
        parts = [part for part in parts if not part[0] & reached]
        parts.append((reached.union(*(part[0] for part in touched)), [*(p for t in touched for p in t[1]), promotion]))
    return [tuple(sorted(members, key=order)) for _, members in parts]


def _best(island: _Island) -> tuple[Use, ...]:
    free = {sku: goods.quantity for sku, goods in island.goods.items()}
    return _search(island, island.groups, free)


def _search(island: _Island, groups: tuple[GroupPromotion, ...], free: Mapping[str, int]) -> tuple[Use, ...]:
    """Return the uses that save most: with the first of ``groups``, or without it. As deep as ``MOST_LINKED``."""
    if not groups:
        return tuple(_unit_uses(island, free))
    first, rest = groups[0], groups[1:]
    without = _search(island, rest, free)
    taken = _taken(first, island.goods, free)
    use = None if taken is None else _use(first, island.goods, *taken)
    if taken is None or use is None:
        return without
    left = {sku: count - taken[0].get(sku, 0) for sku, count in free.items()}
    within = (use, *_search(island, rest, left))
    return within if _saved(within, island) >= _saved(without, island) else without


def _saved(uses: Iterable[Use], island: _Island) -> Fraction:
    rows = (row for use in uses for row in use.discounts_minor.items())
    return sum((minor * island.goods[sku].weight for sku, minor in rows), Fraction(0))


def _taken(
    promotion: GroupPromotion, goods: Mapping[str, Goods], free: Mapping[str, int]
) -> tuple[dict[str, int], int] | None:
    """Return the units that a group promotion uses, by SKU, and the minor units that it takes off them."""
    if isinstance(promotion, Bundle):
        return _bundled(promotion, goods, free)
    return _n_for_m(promotion, goods, free)


def _bundled(bundle: Bundle, goods: Mapping[str, Goods], free: Mapping[str, int]) -> tuple[dict[str, int], int] | None:
    needed = Counter(bundle.skus)
    if any(sku not in goods for sku in needed):
        return None
    sets = min(free[sku] // count for sku, count in needed.items())
    worth_minor = sum(goods[sku].unit_price_minor * count for sku, count in needed.items())
    return {sku: count * sets for sku, count in needed.items()}, (worth_minor - bundle.price.minor) * sets


def _n_for_m(
    promotion: NForM, goods: Mapping[str, Goods], free: Mapping[str, int]
) -> tuple[dict[str, int], int] | None:
    named = [goods[sku] for sku in promotion.skus if sku in goods]
    rows = sorted(named, key=lambda each: (-each.unit_price_minor, each.sku))
    end = sum(free[each.sku] for each in rows) // promotion.take * promotion.take
    used: dict[str, int] = {}
    off_minor = start = 0
    for row in rows:
        stop = min(start + free[row.sku], end)
        used[row.sku] = stop - start
        off_minor += row.unit_price_minor * (_gifts(promotion, stop) - _gifts(promotion, start))
        start = stop
    return used, off_minor


def _gifts(promotion: NForM, count: int) -> int:
    """Return how many of the first ``count`` units, dearest first, are free: the last ones of each group."""
    groups, rest = divmod(count, promotion.take)
    return groups * (promotion.take - promotion.pay) + max(0, rest - promotion.pay)


def _use(promotion: Promotion, goods: Mapping[str, Goods], used: Mapping[str, int], off_minor: int) -> Use | None:
    """Spread what a promotion takes off over the products that it used, by what they cost; None for nothing."""
    if off_minor <= 0:
        return None
    skus = sorted(sku for sku, count in used.items() if count)
    parts = shares(off_minor, [goods[sku].unit_price_minor * used[sku] for sku in skus])
    return Use(promotion, dict(zip(skus, parts, strict=True)))


def _unit_uses(island: _Island, free: Mapping[str, int]) -> Iterator[Use]:
    for sku, count in free.items():
        price_minor = island.goods[sku].unit_price_minor
        offers = [(_off_minor(each, price_minor, count, island.rounding), each) for each in island.units[sku]]
        off_minor, promotion = max(offers, key=lambda offer: offer[0], default=(0, None))
        if promotion is not None and off_minor > 0:
            yield Use(promotion, {sku: off_minor})


def _off_minor(promotion: UnitPromotion, price_minor: int, count: int, rounding: Rounding) -> int:
    """Return what a unit promotion takes off ``count`` units of one product."""
    match promotion:
        case PercentOff():
            return round_minor(price_minor * count * Fraction(promotion.percent) / 100, rounding)
        case AmountOff():
            return min(promotion.off.minor, price_minor) * count
        case MemberPrice():
            return max(0, price_minor - promotion.price.minor) * count


def promotion_problem(promotions: Sequence[Promotion], skus: Collection[str], currency: str) -> PriceError | None:
    """Return what is wrong with a store's promotions, with the mend, or None.

    ``skus`` are the products that have prices.
    """
    seen: set[str] = set()
    for promotion in promotions:
        wrong = _terms_problem(promotion, skus, currency)
        if promotion.promotion_id in seen:
            wrong = "stands twice", "give each promotion its own id"
        if wrong is not None:
            return PriceError(f"promotion {promotion.promotion_id}: {wrong[0]}", mend=wrong[1], field="promotions")
        seen.add(promotion.promotion_id)
    return _crowd_problem([each for each in promotions if isinstance(each, NForM | Bundle)])


def _terms_problem(promotion: Promotion, skus: Collection[str], currency: str) -> tuple[str, str] | None:
    unknown = next((sku for sku in promotion.skus if sku not in skus), None)
    begin, end = promotion.valid_from_ns, promotion.valid_until_ns
    if not promotion.skus:
        return "names no product", "name one or more under skus"
    if unknown is not None:
        return f"names {unknown!r}, which has no price", "name products of this price book"
    if len(set(promotion.skus)) < len(promotion.skus) and not isinstance(promotion, Bundle):
        return "names a product twice", "name each product once"
    if begin is not None and end is not None and begin >= end:
        return "ends before it begins", "let it end later"
    return _own_problem(promotion, currency)


def _own_problem(promotion: Promotion, currency: str) -> tuple[str, str] | None:
    match promotion:
        case NForM():
            is_fine = 1 <= promotion.pay < promotion.take
            return None if is_fine else ("gives nothing", "let pay be 1 or more and less than take")
        case PercentOff():
            is_fine = 0 < promotion.percent <= 100
            return None if is_fine else ("takes off no share", "give a percent above 0 and at most 100")
        case AmountOff():
            is_fine = promotion.off.currency == currency and promotion.off.minor > 0
            return None if is_fine else (f"takes off {promotion.off}", f"give an amount above 0 in {currency}")
        case Bundle() | MemberPrice():
            if isinstance(promotion, Bundle) and len(promotion.skus) < 2:
                return "bundles one unit", "name two units or more"
            is_fine = promotion.price.currency == currency and promotion.price.minor >= 0
            return None if is_fine else (f"costs {promotion.price}", f"give a price of 0 or more in {currency}")


def _crowd_problem(groups: Sequence[GroupPromotion]) -> PriceError | None:
    """Refuse more linked group promotions at one time than can be searched. The most hold when one of them begins."""
    skus = {sku for each in groups for sku in each.skus}
    for begin in {each.valid_from_ns for each in groups}:
        held = [each for each in groups if _holds_at_begin(each, begin)]
        for linked in _linked(sorted(held, key=order), skus):
            if len(linked) > MOST_LINKED:
                return PriceError(
                    f"promotion {linked[-1].promotion_id}: is one of {len(linked)} n-for-m and bundle promotions that "
                    f"share products at one time; at most {MOST_LINKED} can",
                    mend="take some out, or let them hold at different times",
                    field="promotions",
                )
    return None


def _holds_at_begin(promotion: GroupPromotion, begin_ns: int | None) -> bool:
    if begin_ns is None:
        return promotion.valid_from_ns is None
    return promotion.is_valid(begin_ns)
