from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.edge import ReceiptModel
from billing.errors import PriceError
from billing.ledger import sale_posting
from billing.money import Money, Rounding
from billing.pricebook import Deposit, Price, PriceBook
from billing.promotions import MOST_LINKED, AmountOff, Bundle, MemberPrice, NForM, PercentOff, Promotion
from billing.receipt import digest_of, make_receipt
from billing.types import ItemCount, LineKind, Receipt, ReceiptInput

PRICES_MINOR = {"a": 500, "b": 300, "c": 200, "d": 99}


def euros(minor: int) -> Money:
    return Money(minor, "EUR")


def book_of(*promotions: Promotion) -> PriceBook:
    prices = [Price(sku, sku.upper(), euros(minor), "t", Decimal(19), True) for sku, minor in PRICES_MINOR.items()]
    return PriceBook.of("EUR", prices, promotions)


def receipt_of(book: PriceBook, at_ns: int = 0, is_member: bool = False, **items: int) -> Receipt:
    counts = tuple(ItemCount(sku, n) for sku, n in items.items())
    return make_receipt(ReceiptInput("v", "t", at_ns, counts, is_member), book)


def off_by_line(receipt: Receipt) -> dict[str, int]:
    return {line.sku: line.discount.minor for line in receipt.lines if line.discount.minor}


THREE_FOR_TWO = NForM(promotion_id="3for2", name="3 for 2", skus=("a", "b", "c"), take=3, pay=2)
MEAL = Bundle(promotion_id="meal", name="Meal deal", skus=("a", "b"), price=euros(600))
TENTH = PercentOff(promotion_id="tenth", name="10 % off", skus=("a", "b", "c", "d"), percent=Decimal(10))
FIFTY_CENTS = AmountOff(promotion_id="fifty", name="0.50 off", skus=("c", "d"), off=euros(50))
MEMBERS = MemberPrice(promotion_id="club", name="Club price", skus=("a",), price=euros(420))


def test_the_cheapest_of_three_is_free_and_its_price_is_spread_over_the_three() -> None:
    # 5.00 + 3.00 + 2.00: 2.00 off, in proportion 1.00, 0.60, 0.40
    receipt = receipt_of(book_of(THREE_FOR_TWO), a=1, b=1, c=1)
    assert off_by_line(receipt) == {"a": 100, "b": 60, "c": 40}
    assert receipt.total == euros(800)
    assert [(each.promotion_id, each.name, each.discount.minor) for each in receipt.promotions] == [
        ("3for2", "3 for 2", 200)
    ]


def test_the_dearest_units_are_grouped_first() -> None:
    # 5 5 3 | 3 2 2 | 2: 3.00 and 2.00 are free, one c is left over
    receipt = receipt_of(book_of(THREE_FOR_TWO), a=2, b=2, c=3)
    assert receipt.total == euros(2 * 500 + 2 * 300 + 3 * 200 - 300 - 200)


def test_five_for_three() -> None:
    # 5 5 5 3 3 | 2 2: 3.00 and 3.00 are free
    five = replace(THREE_FOR_TWO, take=5, pay=3)
    assert receipt_of(book_of(five), a=3, b=2, c=2).promotions[0].discount == euros(600)


def test_a_bundle_counts_as_often_as_it_is_whole() -> None:
    # 8.00 together for 6.00, twice; 4.00 off in proportion 5 : 3
    receipt = receipt_of(book_of(MEAL), a=3, b=2)
    assert off_by_line(receipt) == {"a": 250, "b": 150}
    twin = replace(MEAL, skus=("c", "c"), price=euros(350))
    assert off_by_line(receipt_of(book_of(twin), c=5)) == {"c": 100}


def test_unit_promotions() -> None:
    assert off_by_line(receipt_of(book_of(TENTH), a=2, d=3)) == {"a": 100, "d": 30}  # 10 % of 2.97 is 0.297
    assert off_by_line(receipt_of(book_of(FIFTY_CENTS), c=2, d=1)) == {"c": 100, "d": 50}
    dear = replace(FIFTY_CENTS, off=euros(150))
    assert receipt_of(book_of(dear), d=2).total == euros(0)  # never below zero


def test_each_unit_gets_the_best_of_its_unit_promotions() -> None:
    receipt = receipt_of(book_of(TENTH, FIFTY_CENTS), a=1, c=1, d=1)
    assert off_by_line(receipt) == {"a": 50, "c": 50, "d": 50}
    assert [(each.promotion_id, each.discount.minor) for each in receipt.promotions] == [("fifty", 100), ("tenth", 50)]


def test_member_prices_are_for_members() -> None:
    book = book_of(MEMBERS)
    assert receipt_of(book, a=2).promotions == ()
    receipt = receipt_of(book, is_member=True, a=2)
    assert (receipt.total, receipt.promotions[0].members_only) == (euros(840), True)
    dearer = book_of(replace(MEMBERS, price=euros(501)))
    assert receipt_of(dearer, is_member=True, a=1).total == euros(500)


def test_promotions_hold_from_until() -> None:
    book = book_of(replace(TENTH, valid_from_ns=10, valid_until_ns=20))
    assert {at: receipt_of(book, at_ns=at, a=1).total.minor for at in (9, 10, 19, 20)} == {
        9: 500,
        10: 450,
        19: 450,
        20: 500,
    }


def test_a_group_promotion_leaves_the_rest_to_unit_promotions() -> None:
    # the meal takes one a and one b; the other a is 10 % off
    receipt = receipt_of(book_of(MEAL, TENTH), a=2, b=1)
    assert [(each.promotion_id, each.discount.minor) for each in receipt.promotions] == [("meal", 200), ("tenth", 50)]


def test_a_group_promotion_that_gives_less_than_it_takes_is_left_out() -> None:
    half = replace(TENTH, percent=Decimal(50))  # 4.00 off a and b, where the meal takes 2.00 off
    assert [each.promotion_id for each in receipt_of(book_of(MEAL, half), a=1, b=1).promotions] == ["tenth"]
    first = replace(THREE_FOR_TWO, priority=-1)  # would take a, b, c for 2.00 and leave no meal; the meal gives 2.40
    dear = replace(MEAL, price=euros(560))
    assert [each.promotion_id for each in receipt_of(book_of(first, dear), a=1, b=1, c=1).promotions] == ["meal"]


def test_equal_promotions_go_by_priority_then_id() -> None:
    ids = {"x": 0, "b": 1, "a": 1}
    same = [replace(TENTH, promotion_id=name, priority=priority) for name, priority in ids.items()]
    assert [each.promotion_id for each in receipt_of(book_of(*same), a=1).promotions] == ["x"]
    assert [each.promotion_id for each in receipt_of(book_of(*same[1:]), a=1).promotions] == ["a"]
    meals = [replace(MEAL, promotion_id=name, priority=priority) for name, priority in ids.items()]
    assert [each.promotion_id for each in receipt_of(book_of(*meals), a=1, b=1).promotions] == ["x"]


def test_tax_on_top_counts_in_what_is_least() -> None:
    # 1.00 off what bears 50 % saves more than 1.20 off what bears none.
    taxed = Price("x", "X", euros(1000), "high", Decimal(50), False)
    free = Price("y", "Y", euros(1000), "none", Decimal(0), False)
    both = Price("z", "Z", euros(1000), "none", Decimal(0), False)
    one = Bundle(promotion_id="one", name="One", skus=("x", "x", "z"), price=euros(2900))
    two = Bundle(promotion_id="two", name="Two", skus=("y", "z"), price=euros(1880))
    book = PriceBook.of("EUR", [taxed, free, both], [one, two])
    receipt = receipt_of(book, x=2, y=1, z=1)  # one takes 0.67 off x and 0.33 off z: 0.67 x 1.5 + 0.33 = 1.335
    assert [each.promotion_id for each in receipt.promotions] == ["one"]


@pytest.mark.parametrize(
    ("promotions", "said"),
    [
        ([TENTH, TENTH], "promotion tenth: stands twice"),
        ([replace(TENTH, skus=())], "promotion tenth: names no product"),
        ([replace(TENTH, skus=("a", "tea"))], "promotion tenth: names 'tea', which has no price: name products"),
        ([replace(TENTH, skus=("a", "a"))], "promotion tenth: names a product twice"),
        ([replace(TENTH, valid_from_ns=5, valid_until_ns=5)], "promotion tenth: ends before it begins"),
        ([replace(TENTH, percent=Decimal(0))], "promotion tenth: takes off no share"),
        ([replace(TENTH, percent=Decimal(101))], "promotion tenth: takes off no share"),
        ([replace(THREE_FOR_TWO, pay=3)], "promotion 3for2: gives nothing"),
        ([replace(THREE_FOR_TWO, pay=0)], "promotion 3for2: gives nothing"),
        ([replace(FIFTY_CENTS, off=euros(0))], "promotion fifty: takes off"),
        ([replace(FIFTY_CENTS, off=Money(50, "USD"))], "promotion fifty: takes off .* above 0 in EUR"),
        ([replace(MEAL, skus=("a",))], "promotion meal: bundles one unit"),
        ([replace(MEAL, price=Money(600, "USD"))], "promotion meal: costs .* in EUR"),
        ([replace(MEMBERS, price=euros(-1))], "promotion club: costs"),
    ],
)
def test_promotions_that_cannot_be_are_refused(promotions: list[Promotion], said: str) -> None:
    with pytest.raises(PriceError, match=said):
        book_of(*promotions)


def test_more_linked_groups_at_one_time_than_can_be_searched_are_refused() -> None:
    many = [replace(MEAL, promotion_id=f"m{i:02}", skus=("a", "bcd"[i % 3])) for i in range(MOST_LINKED + 1)]
    with pytest.raises(PriceError, match=rf"is one of {MOST_LINKED + 1} .* take some out"):
        book_of(*many)
    assert receipt_of(book_of(*many[1:]), a=9, b=9, c=9, d=9).promotions
    in_turn = [replace(each, valid_from_ns=i, valid_until_ns=i + 1) for i, each in enumerate(many)]
    assert len(book_of(*in_turn).promotions) == MOST_LINKED + 1
    late = [many[0], *(replace(each, valid_from_ns=7) for each in many[1:])]
    with pytest.raises(PriceError, match=f"is one of {MOST_LINKED + 1}"):
        book_of(*late)


def test_posting_of_a_discounted_receipt_balances() -> None:
    receipt = receipt_of(book_of(MEAL, TENTH, MEMBERS), is_member=True, a=3, b=1, d=2)
    posting = sale_posting(receipt)
    assert posting is not None
    assert sum(entry.amount.minor for entry in posting.entries) == 0


SKUS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True).map(tuple)
COMMON = {"name": st.just("offer"), "skus": SKUS, "priority": st.integers(0, 2)}
MONEY = st.integers(0, 1200).map(euros)
KINDS: list[st.SearchStrategy[Promotion]] = [
    st.builds(NForM, promotion_id=st.just(""), **COMMON, take=st.integers(2, 4), pay=st.just(1)),
    st.builds(
        Bundle,
        promotion_id=st.just(""),
        **(COMMON | {"skus": st.lists(st.sampled_from("abcd"), min_size=2, max_size=4).map(tuple)}),
        price=MONEY,
    ),
    st.builds(PercentOff, promotion_id=st.just(""), **COMMON, percent=st.decimals("0.1", 100, places=1)),
    st.builds(AmountOff, promotion_id=st.just(""), **COMMON, off=st.integers(1, 700).map(euros)),
    st.builds(MemberPrice, promotion_id=st.just(""), **COMMON, price=MONEY),
]
TAXES = {"inclusive": (Decimal(19), True), "reduced": (Decimal(7), True), "city": (Decimal("8.875"), False)}


@st.composite
def promotion_lists(draw: st.DrawFn, most: int = 5) -> tuple[Promotion, ...]:
    drawn = draw(st.lists(st.one_of(KINDS), max_size=most))
    return tuple(replace(each, promotion_id=f"p{i}") for i, each in enumerate(drawn))


@st.composite
def price_lists(draw: st.DrawFn, classes: Sequence[str] = tuple(TAXES)) -> tuple[Price, ...]:
    prices = []
    for sku in "abcd":
        name = draw(st.sampled_from(classes))
        rate, inclusive = TAXES[name]
        deposit = draw(st.sampled_from([None, Deposit(euros(25)), Deposit(euros(8), name, rate, inclusive)]))
        unit = euros(draw(st.integers(0, 999)))
        prices.append(Price(sku, sku.upper(), unit, name, rate, inclusive, deposit=deposit))
    return tuple(prices)


CARTS = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 7), min_size=1)
unhurried = settings(deadline=None)  # many receipts an example, on whatever machine


@unhurried
@given(price_lists(), promotion_lists(), CARTS, st.booleans(), st.sampled_from(Rounding))
def test_every_receipt_adds_up_and_survives_json(
    prices: tuple[Price, ...], promotions: tuple[Promotion, ...], cart: dict[str, int], member: bool, rule: Rounding
) -> None:
    receipt = receipt_of(PriceBook.of("EUR", prices, promotions, rule), is_member=member, **cart)
    assert receipt.net + receipt.tax == receipt.total
    off_minor = sum(line.discount.minor for line in receipt.lines)
    assert off_minor == sum(each.discount.minor for each in receipt.promotions)
    assert all(line.paid.minor >= 0 for line in receipt.lines)
    assert all(each.discount.minor > 0 for each in receipt.promotions)
    assert all(line.discount.minor == 0 for line in receipt.lines if line.kind is LineKind.DEPOSIT)
    on_top = sum(tax.tax.minor for tax in receipt.taxes if not tax.inclusive)
    assert receipt.total.minor == sum(line.paid.minor for line in receipt.lines) + on_top
    again = ReceiptModel.model_validate_json(ReceiptModel.of(receipt).model_dump_json()).receipt()
    assert again == receipt
    assert digest_of(again) == receipt.digest


@unhurried
@given(price_lists(), promotion_lists(), CARTS, st.randoms(use_true_random=False))
def test_neither_the_order_of_items_nor_of_promotions_matters(
    prices: tuple[Price, ...], promotions: tuple[Promotion, ...], cart: dict[str, int], random: object
) -> None:
    units = [ItemCount(sku, 1) for sku, count in cart.items() for _ in range(count)]
    mixed, others = list(units), list(promotions)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    random.shuffle(others)  # type: ignore[attr-defined]
    first = make_receipt(ReceiptInput("v", "t", 0, tuple(units), True), PriceBook.of("EUR", prices, promotions))
    assert make_receipt(ReceiptInput("v", "t", 0, tuple(mixed), True), PriceBook.of("EUR", prices, others)) == first


@unhurried
@given(price_lists(("inclusive", "reduced")), promotion_lists(), CARTS)
def test_no_promotion_makes_a_cart_dearer(
    prices: tuple[Price, ...], promotions: tuple[Promotion, ...], cart: dict[str, int]
) -> None:
    with_all = receipt_of(PriceBook.of("EUR", prices, promotions), is_member=True, **cart).total.minor
    for left_out in range(len(promotions)):
        fewer = (*promotions[:left_out], *promotions[left_out + 1 :])
        assert with_all <= receipt_of(PriceBook.of("EUR", prices, fewer), is_member=True, **cart).total.minor
    assert with_all <= receipt_of(PriceBook.of("EUR", prices, promotions), is_member=False, **cart).total.minor


@unhurried
@given(price_lists(), promotion_lists(), CARTS)
def test_with_tax_on_top_no_promotion_makes_a_cart_dearer_before_tax_is_rounded(
    prices: tuple[Price, ...], promotions: tuple[Promotion, ...], cart: dict[str, int]
) -> None:
    def exact_minor(given: Sequence[Promotion]) -> Fraction:
        receipt = receipt_of(PriceBook.of("EUR", prices, given), is_member=True, **cart)
        lines = [line for line in receipt.lines if line.tax_class is not None]
        rates = {name: Fraction(rate) / 100 * (not inclusive) for name, (rate, inclusive) in TAXES.items()}
        return sum((line.paid.minor * (1 + rates[line.tax_class or ""]) for line in lines), Fraction(0))

    for left_out in range(len(promotions)):
        assert exact_minor(promotions) <= exact_minor((*promotions[:left_out], *promotions[left_out + 1 :]))


def by_hand(cart: dict[str, int], promotions: Sequence[Promotion]) -> int:
    """Return what the rule takes off in minor units, worked out unit by unit over every selection of groups."""
    units = [sku for sku, count in cart.items() for _ in range(count)]
    ordered = sorted(promotions, key=lambda each: (each.priority, each.promotion_id))
    groups = [each for each in ordered if isinstance(each, NForM | Bundle)]
    chosen = (some for size in range(len(groups) + 1) for some in combinations(groups, size))
    return max(_group_by_group(units, some, ordered) for some in chosen)


def _group_by_group(units: list[str], groups: Sequence[Promotion], promotions: Sequence[Promotion]) -> int:
    left, off_minor = Counter(units), 0
    for group in groups:
        while (found := _next_group(group, left)) is not None:
            left -= found[0]
            off_minor += found[1]
    return off_minor + sum(_best_single(sku, count, promotions) for sku, count in left.items())


def _next_group(group: Promotion, left: Counter[str]) -> tuple[Counter[str], int] | None:
    if isinstance(group, Bundle):
        used = Counter(group.skus)
        gain_minor = sum(PRICES_MINOR[sku] for sku in group.skus) - group.price.minor
        return (used, gain_minor) if used <= left and gain_minor > 0 else None
    assert isinstance(group, NForM)
    dearest = sorted((sku for sku in left.elements() if sku in group.skus), key=lambda sku: -PRICES_MINOR[sku])
    taken = dearest[: group.take]
    gain_minor = sum(PRICES_MINOR[sku] for sku in taken[group.pay :])
    return (Counter(taken), gain_minor) if len(taken) == group.take else None


def _best_single(sku: str, count: int, promotions: Sequence[Promotion]) -> int:
    price_minor, found = PRICES_MINOR[sku], [0]
    for each in promotions:
        if sku in each.skus and isinstance(each, PercentOff):
            share = Decimal(price_minor * count) * each.percent / 100
            found.append(int(share.quantize(Decimal(1), rounding=ROUND_HALF_UP)))
        if sku in each.skus and isinstance(each, AmountOff):
            found.append(count * min(price_minor, each.off.minor))
        if sku in each.skus and isinstance(each, MemberPrice):
            found.append(count * (price_minor - each.price.minor))
    return max(found)


@unhurried
@given(promotion_lists(), CARTS)
def test_the_rule_is_what_comes_of_it_unit_by_unit(promotions: tuple[Promotion, ...], cart: dict[str, int]) -> None:
    receipt = receipt_of(book_of(*promotions), is_member=True, **cart)
    assert sum(line.discount.minor for line in receipt.lines) == by_hand(cart, promotions)
