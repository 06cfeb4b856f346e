"""A case's deeds as a scenario: the same people, products, places and order."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.nano_store.data import CaseData, EventData
from benchmarks.nano_store.layout import slot_id
from benchmarks.nano_store.planogram import Planogram
from simulator.scenario.model import (
    Enter,
    Gap,
    Leave,
    LookAt,
    Pick,
    PutBack,
    Scenario,
    Shopper,
    Step,
    Stock,
    Wait,
)
from store_layout.errors import InputError

_LONGEST_S = 300.0
_APART_S = 3.0
"""So long after each other people come in."""
_LOOK_S = 0.8


@dataclass(slots=True)
class _Told:
    """One shopper's script as it is written: ``taken`` are the barcodes in the order they were taken, None once put back."""

    steps: list[Step] = field(default_factory=list)
    taken: list[str | None] = field(default_factory=list)
    from_slot: list[str] = field(default_factory=list)


def build_scenario(case: CaseData, planogram: Planogram, seed: int, name: str, layout: str, packaging: str) -> Scenario:
    """Return the scenario of a case. Raises InputError where the case cannot be told."""
    told = {shopper: _Told() for shopper in case.shoppers}
    misplaced: list[tuple[str, str]] = []
    gaps: dict[str, int] = {}
    for number, event in enumerate(case.events):
        story = told[event.shopper]
        if number and case.events[number - 1].shopper != event.shopper:
            _follow(told[case.events[number - 1].shopper], story, number)
        if event.action == "pick":
            _pick(story, event, planogram, misplaced)
        else:
            _put_back(story, event, planogram, misplaced, gaps, case.case)
    return Scenario(
        version=1,
        name=name,
        description=f"Case {case.case} of the 2020 AutoCheckout competition, told anew.",
        layout=layout,
        packaging=packaging,
        seed=seed,
        duration_s=_LONGEST_S,
        stock=Stock(gaps=tuple(Gap(slot=slot, missing=count) for slot, count in gaps.items())),
        shoppers=tuple(_shopper(name, shopper, row, story) for row, (shopper, story) in enumerate(told.items())),
    )


def _shopper(name: str, shopper: str, row: int, story: _Told) -> Shopper:
    enter = Step(enter=Enter(gate="door", at_s=0.5 + row * _APART_S))
    steps = (enter, *story.steps, Step(leave=Leave(gate="door")))
    return Shopper(id=shopper, token=f"{name}-{shopper}", script=steps)


def _follow(former: _Told, story: _Told, number: int) -> None:
    """Have a deed come after the one before it, which is somebody else's."""
    mark = f"deed-{number}"
    former.steps.append(Step(mark=mark))
    story.steps.append(Step(wait=Wait(mark=mark)))


def _pick(story: _Told, event: EventData, planogram: Planogram, misplaced: list[tuple[str, str]]) -> None:
    home = planogram.home(event)
    at = planogram.block_at(event)
    here = slot_id(at, event.key)
    stray = (event.barcode, here) in misplaced and at.barcode != event.barcode
    slot = here if stray or home is None else slot_id(home, event.key)
    if home is None and not stray:
        raise InputError(
            f"event {event.order}: {event.barcode} stands nowhere on shelf {event.key}", mend="mend the case's places"
        )
    if stray:
        misplaced.remove((event.barcode, here))
    if not event.together_with_previous:
        story.steps.append(Step(look_at=LookAt(slot=slot, for_s=_LOOK_S)))
    hand = "left" if event.together_with_previous else "right"
    story.steps.append(Step(pick=Pick(slot=slot, hand=hand, stray=stray)))
    story.taken.append(event.barcode)
    story.from_slot.append(slot)


def _put_back(
    story: _Told,
    event: EventData,
    planogram: Planogram,
    misplaced: list[tuple[str, str]],
    gaps: dict[str, int],
    case: str,
) -> None:
    held = [row for row, barcode in enumerate(story.taken) if barcode == event.barcode]
    if not held:
        raise InputError(f"{case}, event {event.order}: {event.shopper} puts back {event.barcode} without having it")
    taken = held[-1]
    story.taken[taken] = None
    at = planogram.block_at(event)
    slot = slot_id(at, event.key)
    is_home = at.barcode == event.barcode
    if is_home and slot == story.from_slot[taken]:
        story.steps.append(Step(put_back=PutBack(taken=taken + 1)))
        return
    gaps[slot] = gaps.get(slot, 0) + 1
    story.steps.append(Step(put_back=PutBack(slot=slot, taken=taken + 1)))
    if not is_home:
        misplaced.append((event.barcode, slot))
