"""Scenarios drawn by difficulty and seed. A seed gives the same shop, people and deeds, and no other seed does."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from pydantic import Field

from benchmarks.scenarios.shop import Plan
from simulator.scenario.model import (
    Crouch,
    Enter,
    Gap,
    Leave,
    LookAt,
    Pick,
    PutBack,
    Reach,
    Scenario,
    Shopper,
    Step,
    Stock,
    Wait,
)
from store_layout.model import Store, Strict

Share = Annotated[float, Field(ge=0, le=1)]
PLANS: tuple[Plan, ...] = ("hall", "island", "aisle")
LONGEST_S = 600.0
CROWD_APART_S = 0.85
"""Times the number of shoppers: the average s between entries of a crowd. Eight then come within about 50 s."""


class Difficulty(Strict):
    """What makes a scenario hard. Shares are chances for each deed."""

    shoppers: Annotated[int, Field(ge=1, le=8)]
    deeds: Annotated[tuple[int, int], Field(description="fewest and most things that a shopper takes")] = (2, 4)
    put_back: Annotated[Share, Field(description="of things taken, put back at once or later")] = 0.2
    wrong_place: Annotated[Share, Field(description="of things put back, put to where another product belongs")] = 0.3
    quantity: Annotated[Share, Field(description="of picks, two units one after the other")] = 0.15
    touch: Annotated[Share, Field(description="a hand that reaches in and takes nothing, before a pick")] = 0.1
    together: Annotated[Share, Field(description="of picks, at the gondola where somebody else just was")] = 0.35
    crouch: Share = 0.05
    hold: Annotated[Share, Field(description="of picks, after standing at the shelf for seconds")] = 0.1
    apart_s: Annotated[float, Field(gt=0, description="s between entries, on the average")] = 3.5
    look_alikes: bool = True
    facings: Annotated[int, Field(ge=1, le=6)] = 3
    gap_share: Annotated[float, Field(ge=0, le=0.6)] = 0.06


def difficulty_for(shoppers: int) -> Difficulty:
    """Return the difficulty of the curve over the number of shoppers: many come less close after each other, as the street is small."""
    return Difficulty(shoppers=shoppers, apart_s=max(3.5, CROWD_APART_S * shoppers))


@dataclass(slots=True)
class _Story:
    """One shopper's script as it is drawn. ``held`` are (taken-th, slot) of what is not put back."""

    steps: list[Step] = field(default_factory=list)
    taken: int = 0
    held: list[tuple[int, str]] = field(default_factory=list)


def seed_of(name: str, seed: int, attempt: int) -> int:
    """Return the number from which everything of a scenario is drawn."""
    return zlib.crc32(f"{name}/{seed}/{attempt}".encode())


def plan_of(seed: int) -> Plan:
    """Return the floor plan that a seed uses: each in turn, so that any range of seeds has all of them."""
    return PLANS[seed % len(PLANS)]


def draw_scenario(difficulty: Difficulty, store: Store, name: str, number: int) -> Scenario:
    """Return a scenario in ``store``, drawn from ``number``. It may turn out not to be playable: another number then."""
    rng = np.random.default_rng(number)
    slots = _Slots(store, rng, difficulty)
    stories = [_Story() for _ in range(difficulty.shoppers)]
    for story in stories:
        for _ in range(int(rng.integers(difficulty.deeds[0], difficulty.deeds[1] + 1))):
            story.steps.extend(_deed(story, slots, rng, difficulty))
    enters, at_s = [], 0.5
    for _ in stories:
        enters.append(round(at_s, 2))
        at_s += float(rng.uniform(0.5, 1.5)) * difficulty.apart_s
    return Scenario(
        version=1,
        name=name,
        layout="layout.yaml",
        seed=number,
        duration_s=LONGEST_S,
        stock=Stock(gap_share=difficulty.gap_share, gaps=tuple(Gap(slot=slot) for slot in sorted(slots.gaps))),
        shoppers=tuple(
            _shopper(row, enter, story, name) for row, (enter, story) in enumerate(zip(enters, stories, strict=True))
        ),
    )


def _shopper(row: int, enter_s: float, story: _Story, name: str) -> Shopper:
    steps = (Step(enter=Enter(gate="main", at_s=enter_s)), *story.steps, Step(leave=Leave(gate="main")))
    return Shopper(id=f"s{row + 1}", token=f"card-{name}-{row + 1}", script=steps)


class _Slots:
    """Which slots are still to be used: each is taken from by one person only, as stock is small, unless by chance by more."""

    def __init__(self, store: Store, rng: np.random.Generator, difficulty: Difficulty) -> None:
        self._rng, self._together = rng, difficulty.together
        self._by_gondola = {
            gondola.id: [f"{gondola.id}/{shelf.id}/{slot.id}" for shelf in gondola.shelves for slot in shelf.slots]
            for gondola in store.gondolas
        }
        self._uses: dict[str, int] = {}
        self._last: str | None = None
        self.gaps: set[str] = set()

    def draw(self) -> str:
        """Return a slot to take from; by chance at the gondola that was used last."""
        gondola = self._last
        if gondola is None or self._rng.random() >= self._together:
            gondola = str(self._rng.choice(sorted(self._by_gondola)))
        self._last = gondola
        free = [slot for slot in self._by_gondola[gondola] if self._uses.get(slot, 0) < 2 and slot not in self.gaps]
        slot = str(self._rng.choice(free or self._by_gondola[gondola]))
        self._uses[slot] = self._uses.get(slot, 0) + 1
        return slot

    def wrong(self, slot: str) -> str | None:
        """Return another slot of the same gondola, which gets a gap for what is put there; None where all are in use."""
        others = [
            each for each in self._by_gondola[slot.split("/")[0]] if not self._uses.get(each) and each not in self.gaps
        ]
        if not others:
            return None
        found = str(self._rng.choice(others))
        self.gaps.add(found)
        return found


def _deed(story: _Story, slots: _Slots, rng: np.random.Generator, difficulty: Difficulty) -> Iterator[Step]:
    """Yield the steps of one thing taken, and sometimes of something put back."""
    slot = slots.draw()
    if rng.random() < 0.5:
        yield Step(look_at=LookAt(slot=slot, for_s=round(float(rng.uniform(0.4, 1.6)), 2)))
    if rng.random() < difficulty.touch:
        yield Step(reach=Reach(slot=slot))
    if rng.random() < difficulty.crouch:
        yield Step(crouch=Crouch(for_s=1.2))
    quantity = 2 if rng.random() < difficulty.quantity else 1
    hand = "left" if rng.random() < 0.3 else "right"
    if rng.random() < difficulty.hold:
        yield Step(look_at=LookAt(slot=slot, for_s=round(float(rng.uniform(2.5, 5.0)), 2)))
    yield Step(pick=Pick(slot=slot, quantity=quantity, hand=hand))  # type: ignore[arg-type]
    for _ in range(quantity):
        story.taken += 1
        story.held.append((story.taken, slot))
    if rng.random() < difficulty.put_back:
        yield from _put_back(story, slots, rng, difficulty)


def _put_back(story: _Story, slots: _Slots, rng: np.random.Generator, difficulty: Difficulty) -> Iterator[Step]:
    if rng.random() < 0.5:
        yield Step(wait=Wait(for_s=round(float(rng.uniform(0.5, 2.5)), 2)))
    taken, slot = story.held.pop(int(rng.integers(len(story.held))))
    wrong = slots.wrong(slot) if rng.random() < difficulty.wrong_place else None
    yield Step(put_back=PutBack(slot=wrong, taken=taken))


def easier(difficulty: Difficulty, attempt: int) -> Difficulty:
    """Return ``difficulty``, or after many attempts one without wrong places, which may have no room."""
    return difficulty if attempt < 6 else difficulty.model_copy(update={"wrong_place": 0.0})
