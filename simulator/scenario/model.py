"""The scenario file: who comes into the store and what they do, as validated data.

Slots are named ``gondola/shelf/slot`` as everywhere. A script never names a product:
what a hand takes follows from the slot and from what was put there before.
Every step is a mapping with one key, the step's name, and its options as the value.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from store_layout.model import Identifier, Point2, Strict

SlotId = Annotated[str, StringConstraints(pattern=r"^[^/\s]+/[^/\s]+/[^/\s]+$")]
Hand = Literal["left", "right"]
Place = SlotId | Point2
"""Where to walk: before a slot, or to a point on the floor in metres."""


class Enter(Strict):
    """Come in through a gate, not before ``at_s``. The scan happens while passing the gate's area."""

    gate: Identifier
    at_s: Annotated[float, Field(ge=0)]


class WalkTo(Strict):
    """Walk somewhere and stand there. Before a slot one stands facing it."""

    to: Place


class LookAt(Strict):
    """Turn the head to a slot for a while."""

    slot: SlotId
    for_s: Annotated[float, Field(gt=0, le=30)] = 1.2


class Reach(Strict):
    """Put a hand into the shelf before a slot's products, touch one, and take nothing."""

    slot: SlotId
    hand: Hand = "right"


class Pick(Strict):
    """Take ``quantity`` units one after the other, each the front-most of a facing.

    ``stray`` takes a product that does not belong there, as somebody put it back wrongly.
    """

    slot: SlotId
    quantity: Annotated[int, Field(ge=1, le=6)] = 1
    hand: Hand = "right"
    stray: bool = False


class PutBack(Strict):
    """Put a unit back: the latest taken, or the ``taken``-th of this shopper (from 1).

    Without ``slot`` it goes to the place from which it was taken; a full place is an error.
    """

    slot: SlotId | None = None
    taken: Annotated[int | None, Field(ge=1)] = None


class HandOver(Strict):
    """Give a unit to another shopper, who comes near and takes it."""

    to: Identifier
    taken: Annotated[int | None, Field(ge=1)] = None


class PutOnFloor(Strict):
    """Set a unit down on the floor before the feet."""

    taken: Annotated[int | None, Field(ge=1)] = None


class Pocket(Strict):
    """Put a unit out of sight, into a bag or a pocket."""

    taken: Annotated[int | None, Field(ge=1)] = None


class Wait(Strict):
    """Stand still, for a time or until another shopper has done all before their step called ``mark``."""

    for_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    mark: Identifier | None = None


class Crouch(Strict):
    """Bend the knees for a while."""

    for_s: Annotated[float, Field(gt=0, le=20)] = 1.5
    depth: Annotated[float, Field(gt=0, le=1)] = 0.7


class Restock(Strict):
    """Staff: put ``quantity`` new units of the slot's product into its gaps."""

    slot: SlotId
    quantity: Annotated[int, Field(ge=1, le=12)] = 1
    hand: Hand = "right"


class Leave(Strict):
    """Walk out through a gate."""

    gate: Identifier


class Step(Strict):
    """One step of a script: exactly one of these, or a ``mark`` that others can wait for."""

    enter: Enter | None = None
    walk_to: WalkTo | None = None
    look_at: LookAt | None = None
    reach: Reach | None = None
    pick: Pick | None = None
    put_back: PutBack | None = None
    hand_over: HandOver | None = None
    put_on_floor: PutOnFloor | None = None
    pocket: Pocket | None = None
    wait: Wait | None = None
    crouch: Crouch | None = None
    restock: Restock | None = None
    leave: Leave | None = None
    mark: Identifier | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Step:
        named = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(f"a step names exactly one action, not {named or 'none'}")
        return self

    @property
    def action(self) -> Action | str:
        """The one action that this step names; a mark is its text."""
        for name in type(self).model_fields:
            value: Action | str | None = getattr(self, name)
            if value is not None:
                return value
        raise ValueError("a step without an action")


Action = (
    Enter | WalkTo | LookAt | Reach | Pick | PutBack | HandOver | PutOnFloor | Pocket | Wait | Crouch | Restock | Leave
)


class Shopper(Strict):
    """One body and its script.

    ``token`` is shown at the gate while entering. A member of a group has none and names
    in ``with_shopper`` who scanned for the whole party. Staff has neither.
    """

    id: Identifier
    kind: Literal["shopper", "staff"] = "shopper"
    token: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    with_shopper: Identifier | None = None
    look_seed: Annotated[int | None, Field(ge=0)] = None
    script: Annotated[tuple[Step, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _starts_and_ends_at_a_gate(self) -> Shopper:
        if self.script[0].enter is None:
            raise ValueError(f"{self.id}: the first step must be enter")
        inner = [step for step in self.script[1:-1] if step.enter is not None or step.leave is not None]
        if inner:
            raise ValueError(f"{self.id}: enter comes first and leave comes last")
        if self.kind == "shopper" and (self.token is None) == (self.with_shopper is None):
            raise ValueError(f"{self.id}: give a token, or with_shopper for a member of a group")
        return self


class Gap(Strict):
    """Front units that are missing in one slot when the recording starts."""

    slot: SlotId
    missing: Annotated[int, Field(ge=1, le=12)] = 1


class Stock(Strict):
    """What stands on the shelves at the start: full but for ``gap_share`` of the units and the named gaps."""

    gap_share: Annotated[float, Field(ge=0, le=0.6, description="share of all units that are missing")] = 0.06
    gaps: tuple[Gap, ...] = ()


class Scenario(Strict):
    """A whole scenario file. ``layout``, and ``packaging`` where the catalogue of invented products is another, are relative to it."""

    version: Literal[1]
    name: Identifier
    description: str = ""
    layout: str
    packaging: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    duration_s: Annotated[float, Field(gt=1, le=3600)]
    started_at: AwareDatetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    stock: Stock = Stock()
    handed_over_pays: Literal["first_taker", "last_holder"] = "first_taker"
    shoppers: Annotated[tuple[Shopper, ...], Field(min_length=1, max_length=40)]

    @model_validator(mode="after")
    def _names_fit(self) -> Scenario:
        ids = [shopper.id for shopper in self.shoppers]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"shoppers named twice: {', '.join(twice)}")
        scanning = {shopper.id for shopper in self.shoppers if shopper.token is not None}
        for shopper in self.shoppers:
            if shopper.with_shopper is not None and shopper.with_shopper not in scanning:
                raise ValueError(f"{shopper.id}: with_shopper names {shopper.with_shopper}, who has no token")
        self._check_marks(set(ids))
        return self

    def _check_marks(self, ids: set[str]) -> None:
        steps = [(shopper.id, step.action) for shopper in self.shoppers for step in shopper.script]
        marks = {action for _, action in steps if isinstance(action, str)}
        for name, action in steps:
            if isinstance(action, Wait) and action.mark is not None and action.mark not in marks:
                raise ValueError(f"{name}: waits for the mark {action.mark}, which no script sets")
            if isinstance(action, HandOver) and (action.to not in ids or action.to == name):
                raise ValueError(f"{name}: hands over to {action.to}, who is no other shopper")
