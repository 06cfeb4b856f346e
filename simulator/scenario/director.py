"""Plays a scenario's scripts through, earliest shopper first, and writes down all that happens."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.appearance import draw_look
from simulator.packaging import load_specs, specs_for
from simulator.scenario.actor import Actor, Taken, draw_reach, grip_point, move_hand
from simulator.scenario.errors import ScenarioError
from simulator.scenario.files import LoadedScenario
from simulator.scenario.model import (
    Crouch,
    Enter,
    HandOver,
    Leave,
    LookAt,
    Pick,
    Pocket,
    PutBack,
    PutOnFloor,
    Reach,
    Restock,
    Shopper,
    Wait,
    WalkTo,
)
from simulator.scenario.motion import TICK_S, Motion, Performance
from simulator.scenario.paths import FloorMap
from simulator.scenario.play import Deed, ItemMove, Owning, Play, Scan
from simulator.scenario.shelves import Shelves, Unit
from simulator.scenario.streams import stream
from simulator.scenario.traffic import APART_M, apart_m, plan_walk
from simulator.skeleton import load_bodies, pose_body
from simulator.state import ItemState, LightState, Side
from store_layout.geometry import GatePlace, StoreGeometry
from store_layout.model import Point3

F64 = NDArray[np.float64]

PATIENCE_S = 25.0
"""Nobody waits longer than this for a way to be free."""
RETRY_S = 0.5
STREET_FULL_TICKS = 40
"""After so many ticks without room at the far end of the street, anywhere in it will do."""
STAND_OFF_M = (0.42, 0.38, 0.48, 0.34)
"""Distances from the shelf's front, liked best first."""
SIDEWAYS_M = (0.0, 0.12, -0.12, 0.24, -0.24, 0.36, -0.36, 0.48, -0.48)
"""Steps along the shelf from where one would stand alone, tried while others are in the way."""
MOST_WALKS = 6
"""So many ways to places before a shelf are looked for at once; if none is free, others most likely block them all."""
SCAN_BEFORE_LINE_M = 0.5


def compile_scenario(loaded: LoadedScenario, seed: int | None = None) -> Play:
    """Play ``loaded`` through with its own seed or another and return everything that happens.

    Raises ScenarioError where a script cannot be played: an empty slot, no room, no way, too little time.
    """
    return Director(loaded, loaded.scenario.seed if seed is None else seed).run()


def _other(side: Side) -> Side:
    return "left" if side == "right" else "right"


class Director:
    """Compiles one scenario. Use :func:`compile_scenario`."""

    def __init__(self, loaded: LoadedScenario, seed: int) -> None:
        self.loaded, self.scenario, self.seed = loaded, loaded.scenario, seed
        self.geometry = StoreGeometry(loaded.store)
        self.specs = specs_for(loaded.store.products, load_specs() if loaded.catalogue is None else loaded.catalogue)
        self.shelves = Shelves(self.geometry, self.specs, self.scenario.stock, seed)
        self.start_items = [_standing(unit) for unit in self.shelves.units.values()]
        self.floor = FloorMap(self.geometry)
        self.library = load_bodies()
        self.actors = [self._cast(index, shopper) for index, shopper in enumerate(self.scenario.shoppers)]
        self.moves: list[ItemMove] = []
        self.deeds: list[Deed] = []
        self.ownings: list[Owning] = []
        self.scans: list[Scan] = []
        self.marks: dict[str, float] = {}
        self._streets: dict[str, tuple[F64, F64]] = {}
        self._plays: dict[type, Callable[[Actor, object], bool]] = {
            Enter: self._enter, WalkTo: self._walk_to, LookAt: self._look_at, Reach: self._reach,
            Pick: self._pick, PutBack: self._put_back, HandOver: self._hand_over,
            PutOnFloor: self._put_on_floor, Pocket: self._pocket, Wait: self._wait,
            Crouch: self._crouch, Restock: self._restock, Leave: self._leave,
        }  # fmt: skip

    def _cast(self, index: int, shopper: Shopper) -> Actor:
        rng = stream(self.seed, "actor", shopper.id)
        look_rng = rng if shopper.look_seed is None else stream(shopper.look_seed, "look")
        look = draw_look(look_rng, children=0.0)
        motion = Motion(index + 1, look, self.library.skeleton(look))
        speed = float(stream(self.seed, "speed", shopper.id).uniform(0.9, 1.25))
        return Actor(shopper, motion, speed, rng, self.floor.taste(stream(self.seed, "taste", shopper.id)))

    def run(self) -> Play:
        """Play all scripts to their end."""
        while True:
            waiting = [actor for actor in self.actors if actor.step < len(actor.shopper.script)]
            ready = [actor for actor in waiting if not self._blocked(actor)]
            if not waiting:
                break
            if not ready:
                names = ", ".join(actor.id for actor in waiting)
                raise self._wrong(waiting[0], f"{names} wait for each other", "change the marks that they wait for")
            actor = min(ready, key=lambda actor: (self._clock_s(actor), actor.motion.person))
            self._play(actor)
        self._check_time()
        return self._result()

    def _blocked(self, actor: Actor) -> bool:
        action = actor.shopper.script[actor.step].action
        return isinstance(action, Wait) and action.mark is not None and action.mark not in self.marks

    def _clock_s(self, actor: Actor) -> float:
        if actor.motion.places_m:
            return actor.motion.end_s
        first = actor.shopper.script[0].enter
        assert first is not None
        return max(first.at_s, actor.motion.end_s)

    def _play(self, actor: Actor) -> None:
        action = actor.shopper.script[actor.step].action
        if isinstance(action, str):
            self.marks[action] = actor.motion.end_s
            done = True
        else:
            done = self._plays[type(action)](actor, action)
        if done:
            actor.step, actor.units_done, actor.waited_s = actor.step + 1, 0, 0.0

    def _wrong(self, actor: Actor, message: str, mend: str) -> ScenarioError:
        index = next(row for row, shopper in enumerate(self.scenario.shoppers) if shopper.id == actor.id)
        step = min(actor.step, len(actor.shopper.script) - 1)
        field = f"shoppers[{index}].script[{step}]"
        return ScenarioError(f"{actor.id}: {message}", file=self.loaded.file, field=field, mend=mend)

    def _check_time(self) -> None:
        for actor in self.actors:
            if actor.motion.end_s > self.scenario.duration_s:
                message = f"the script takes {actor.motion.end_s:.1f} s, longer than duration_s"
                raise self._wrong(actor, message, "raise duration_s or do less")

    def _result(self) -> Play:
        for actor in self.actors:
            if actor.motion.places_m and not actor.motion.gone:
                actor.stay(self.scenario.duration_s - actor.motion.end_s + TICK_S)
        light = stream(self.seed, "light")
        gain, warm = float(light.uniform(0.92, 1.06)), float(light.uniform(-0.02, 0.02))
        return Play(
            self.scenario,
            self.geometry,
            self.specs,
            {actor.motion.person: Performance(actor.motion) for actor in self.actors if actor.motion.places_m},
            self.start_items,
            self.moves,
            [self._timed(deed) for deed in self.deeds],
            self.ownings,
            self.scans,
            LightState(gain=gain, colour=(1.0 + warm, 1.0, 1.0 - warm)),
        )

    def _timed(self, deed: Deed) -> Deed:
        """Set from when to when the palm really is inside the shelf: looked for at 50 ms, then at 10 ms."""
        actor = self.actors[deed.person - 1]
        performance = Performance(actor.motion)
        shelf = self.geometry.shelves[self.geometry.shelf_index(deed.shelf_id)]

        def inside(hundredths: int) -> bool:
            palm = pose_body(actor.motion.skeleton, performance.pose(hundredths / 100)).palm_m(deed.hand)
            return bool(shelf.contains(palm[None])[0])

        first, last = round(deed.from_s * 100), round(deed.to_s * 100)
        coarse = [at for at in range(first, last + 1, 5) if inside(at)]
        if not coarse:
            raise self._wrong(actor, f"the hand does not come into {deed.shelf_id}", "stand nearer to the shelf")
        start, end = coarse[0], coarse[-1]
        while start > first and inside(start - 1):
            start -= 1
        while end < last and inside(end + 1):
            end += 1
        return replace(deed, from_s=start / 100, to_s=end / 100)

    # --- walking

    def _others(self, actor: Actor) -> list[Motion]:
        return [other.motion for other in self.actors if other is not actor]

    def _go(self, actor: Actor, goal: F64, facing_deg: float | None, stays: bool = True) -> bool:
        """Walk to a place; False, after a short wait, where the way is not free now."""
        if math.dist(actor.place_m.tolist(), goal.tolist()) < 0.03:
            return True
        places = plan_walk(self.floor, actor.motion, goal, actor.speed_m_s, actor.taste, self._others(actor), stays)
        if places is None:
            self._be_patient(actor, "finds no free way")
            return False
        actor.stands_at = None
        actor.walk(places, facing_deg)
        return True

    def _be_patient(self, actor: Actor, why: str) -> None:
        actor.waited_s += RETRY_S
        if actor.waited_s > PATIENCE_S:
            raise self._wrong(actor, f"{why} for {PATIENCE_S:.0f} s", "move the others, or come at another time")
        actor.stay(RETRY_S)

    def _street(self, gate: GatePlace, rng: np.random.Generator, is_full: bool = False) -> F64:
        """A place outside a gate where no camera sees a person: as far away as there is, or anywhere where that ``is_full``."""
        if gate.gate_id not in self._streets:
            self._streets[gate.gate_id] = self._find_street(gate)
        places = self._streets[gate.gate_id][is_full]
        return np.array(places[int(rng.integers(len(places)))])

    def _find_street(self, gate: GatePlace) -> tuple[F64, F64]:
        centres = self.floor.centres_m[self.floor.free]
        outside = centres[gate.side(centres) < -0.3]
        if not len(outside):
            message = f"gate {gate.gate_id} has no floor outside"
            mend = "add a zone of kind outside beyond the gate"
            raise ScenarioError(message, file=self.loaded.layout_path, field="zones", mend=mend)
        seen = np.zeros(len(outside))
        for camera_id in self.geometry.cameras:
            for height in (0.5, 1.6):
                points = np.column_stack([outside, np.full(len(outside), height)])
                seen += self.geometry.sees(camera_id, points)
        far = np.sqrt(((outside - gate.line_m.mean(axis=0)) ** 2).sum(axis=1)) - 10 * seen
        unseen = seen == seen.min()
        return np.asarray(outside[far > far.max() - 0.5]), np.asarray(outside[unseen])

    def _enter(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, Enter)
        gate = self._gate(action.gate)
        inwards = _inwards(gate)
        if not actor.motion.places_m:
            return self._appear(actor, gate, action.at_s)
        sideways = float(stream(self.seed, "gate", actor.id).uniform(-0.15, 0.15))
        along = (gate.line_m[1] - gate.line_m[0]) / gate.length_m
        spot = gate.line_m.mean(axis=0) + along * sideways - inwards * SCAN_BEFORE_LINE_M
        facing = math.degrees(math.atan2(inwards[1], inwards[0]))
        if actor.shopper.token is None:
            return True
        if not self._go(actor, self.floor.nearest_free(spot), facing):
            return False
        pause = float(stream(self.seed, "scan", actor.id).uniform(0.7, 1.1))
        party = 1 + sum(other.shopper.with_shopper == actor.id for other in self.actors)
        at_s = round(actor.motion.end_s + pause * 0.6, 3)
        self.scans.append(Scan(actor.motion.person, gate.gate_id, at_s, actor.shopper.token, party))
        actor.stay(pause, facing)
        return True

    def _appear(self, actor: Actor, gate: GatePlace, at_s: float) -> bool:
        """Stand in the street as soon as there is room; False, as the walk to the gate comes next."""
        first = math.ceil(at_s / TICK_S)
        for tick in range(first, math.ceil((at_s + PATIENCE_S) / TICK_S), 5):
            is_full = tick - first >= STREET_FULL_TICKS
            spot = self._street(gate, stream(self.seed, "street", actor.id, tick), is_full)
            if apart_m(spot[None], tick, True, self._others(actor)) >= APART_M:
                actor.motion.first_tick = tick
                actor.motion.places_m.append((float(spot[0]), float(spot[1])))
                inwards = _inwards(gate)
                actor.motion.facings_deg.append(math.degrees(math.atan2(inwards[1], inwards[0])))
                return False
        raise self._wrong(actor, "finds no room in the street", "enter later")

    def _gate(self, gate_id: str) -> GatePlace:
        return next(gate for gate in self.geometry.gates if gate.gate_id == gate_id)

    def _leave(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, Leave)
        gate = self._gate(action.gate)
        spot = self._street(gate, stream(self.seed, "home", actor.id))
        if not self._go(actor, spot, None, stays=False):
            return False
        actor.motion.gone = True
        for taken in actor.taken:
            if taken.where is not None:
                at_s = (actor.motion.end_tick - 1) * TICK_S
                self.moves.append(ItemMove(at_s, ItemState(taken.item_id, taken.sku)))
        return True

    def _walk_to(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, WalkTo)
        if isinstance(action.to, str):
            return self._stand_before(actor, action.to, "right", None)
        goal = self.floor.nearest_free(np.array(action.to))
        return self._go(actor, goal, None)

    def _wait(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, Wait)
        until = actor.motion.end_s if action.mark is None else self.marks[action.mark]
        actor.stay(max(until - actor.motion.end_s, 0.0) + action.for_s)
        return True

    # --- at the shelf

    def _stand_before(self, actor: Actor, slot_id: str, side: Side, target: Point3 | None) -> bool:
        """Walk to where the hand reaches ``target`` in a slot (or its middle); False while there is no way."""
        shelf, slot = self.shelves.shelf(slot_id), self.shelves.place(slot_id)
        point = target or tuple((slot.front_corners_m[2] + slot.front_corners_m[3]) / 2 + np.array([0, 0, 0.1]))
        along = float(shelf.to_shelf(np.array([point]))[0, 0])
        facing = math.degrees(math.atan2(-shelf.normal[1], -shelf.normal[0]))
        liking = stream(self.seed, "stand", actor.id, actor.step)
        lean_aside = (-0.13 if side == "right" else 0.13) + float(liking.uniform(-0.05, 0.05))
        low = 0.05 if point[2] < 0.8 else 0.0
        if actor.stands_at == shelf.gondola_id and self._reaches_from_here(actor, shelf.along, point, side):
            return True
        reached, walks = False, 0
        for off in STAND_OFF_M:
            for step in SIDEWAYS_M:
                local = np.array([[along + lean_aside + step, -(off + low), -shelf.front_corners_m[3, 2]]])
                spot = shelf.to_world(local)[0, :2]
                if not self.floor.is_free(spot) or actor.bend_for(spot, facing, side, point) is None:
                    continue
                reached = True
                if apart_m(spot[None], actor.motion.end_tick + 60, True, self._others(actor)) < APART_M:
                    continue
                walks += 1
                if walks > MOST_WALKS:
                    break
                if self._go_quietly(actor, spot, facing):
                    actor.stands_at = shelf.gondola_id
                    return True
        if not reached:
            raise self._wrong(actor, f"cannot reach into {slot_id}", "name a slot that a hand can reach")
        self._be_patient(actor, f"finds no free place before {slot_id}")
        return False

    def _reaches_from_here(self, actor: Actor, along: F64, point: Point3, side: Side) -> bool:
        sideways = float((np.array(point[:2]) - actor.place_m) @ along[:2]) * (1 if side == "right" else -1)
        return -0.2 < sideways < 0.42 and actor.bend_for(actor.place_m, actor.facing_deg, side, point) is not None

    def _go_quietly(self, actor: Actor, spot: F64, facing: float) -> bool:
        if math.dist(actor.place_m.tolist(), spot.tolist()) < 0.03:
            return True
        places = plan_walk(self.floor, actor.motion, spot, actor.speed_m_s, actor.taste, self._others(actor))
        if places is None:
            return False
        actor.walk(places, facing)
        actor.stay(float(actor.rng.uniform(0.3, 0.8)), facing)
        return True

    def _hand(self, actor: Actor, wanted: Side) -> Side:
        """The wanted hand, or the other if that alone is free; a full wanted hand is emptied into the bag."""
        if actor.held_in(wanted) is None:
            return wanted
        if actor.held_in(_other(wanted)) is None:
            return _other(wanted)
        held = actor.held_in(wanted)
        assert held is not None
        self._bag(actor, held)
        return wanted

    def _into_shelf(self, actor: Actor, slot_id: str, side: Side, target: Point3) -> tuple[float, float, float]:
        """Reach into a shelf and back; return when it starts, when the hand grips, and when it ends."""
        shelf = self.shelves.shelf(slot_id)
        bend = actor.bend_for(actor.place_m, actor.facing_deg, side, target)
        assert bend is not None
        times = draw_reach(actor.motion.end_s, actor.rng)
        move_hand(actor, side, times, target, shelf.normal)
        actor.bend(times.start_s, times.before_s, times.release_s, times.end_s, *bend)
        actor.gaze(max(times.start_s - 0.3, 0.0), times.out_s, target)
        actor.stay(times.end_s - times.start_s)
        return times.start_s, (times.grip_s + times.release_s) / 2, times.end_s

    def _deed(
        self, kind: str, actor: Actor, slot_id: str, unit: Unit | None, side: Side, span: tuple[float, ...]
    ) -> None:
        shelf = self.shelves.place(slot_id).shelf_id
        item, sku = (None, None) if unit is None else (unit.item_id, unit.sku)
        person = actor.motion.person
        self.deeds.append(Deed(kind, person, slot_id, shelf, item, sku, side, span[0], span[1], span[2]))  # type: ignore[arg-type]

    def _pick(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, Pick)
        side = self._hand(actor, action.hand)
        shelf = self.shelves.shelf(action.slot)
        here = float(shelf.to_shelf(np.array([[*actor.place_m, 0.0]]))[0, 0])
        try:
            cell, unit = self.shelves.take(action.slot, action.stray, here)
        except ScenarioError as wrong:
            raise self._wrong(actor, wrong.message, wrong.mend or "change the script") from wrong
        self.shelves.units[cell] = unit
        target = grip_point(unit.position_m, self.specs[unit.sku], shelf, side)
        if not self._stand_before(actor, action.slot, side, target):
            return False
        del self.shelves.units[cell]
        span = self._into_shelf(actor, action.slot, side, target)
        taken = Taken(unit.item_id, unit.sku, cell, side)
        actor.taken.append(taken)
        self._now_held(actor, taken, side, span[1])
        self._own(span[1], unit.item_id, unit.sku, actor, "pick")
        self._deed("pick", actor, action.slot, unit, side, span)
        actor.units_done += 1
        return actor.units_done >= action.quantity

    def _reach(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, Reach)
        side = self._hand(actor, action.hand)
        shelf = self.shelves.shelf(action.slot)
        found = self.shelves.look(action.slot)
        slot = self.shelves.place(action.slot)
        base = slot.front_corners_m[2:4].mean(axis=0) - slot.normal * 0.08
        unit = None if found is None else found[1]
        position = (float(base[0]), float(base[1]), float(base[2])) if unit is None else unit.position_m
        target = grip_point(position, self.specs[slot.sku if unit is None else unit.sku], shelf, side)
        if not self._stand_before(actor, action.slot, side, target):
            return False
        span = self._into_shelf(actor, action.slot, side, target)
        self._deed("touch", actor, action.slot, None, side, span)
        return True

    def _put_back(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, PutBack)
        taken = self._which(actor, action.taken)
        slot_id = action.slot or (taken.home.slot_id if taken.home else None)
        if slot_id is None:
            raise self._wrong(actor, "has no place to put it back to", "name a slot")
        home = taken.home if action.slot is None or (taken.home and taken.home.slot_id == slot_id) else None
        return self._set_down(actor, taken, slot_id, home, "put_back")

    def _set_down(self, actor: Actor, taken: Taken, slot_id: str, home: object, how: str) -> bool:
        if taken.where is None:
            self._unbag(actor, taken)
        side = taken.where
        assert side is not None
        shelf = self.shelves.shelf(slot_id)
        try:
            cell, unit = self.shelves.put(slot_id, taken.sku, taken.item_id, home)  # type: ignore[arg-type]
        except ScenarioError as wrong:
            raise self._wrong(actor, wrong.message, wrong.mend or "change the script") from wrong
        del self.shelves.units[cell]
        target = grip_point(unit.position_m, self.specs[unit.sku], shelf, side)
        if not self._stand_before(actor, slot_id, side, target):
            return False
        self.shelves.units[cell] = unit
        span = self._into_shelf(actor, slot_id, side, target)
        self.moves.append(ItemMove(span[1], _standing(unit)))
        actor.carry(side, span[0], False)
        taken.where, taken.owned = None, False
        self._own(span[1], unit.item_id, unit.sku, None, how)
        self._deed("put_back", actor, slot_id, unit, side, span)
        return True

    def _restock(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, Restock)
        sku = self.shelves.place(action.slot).sku
        taken = next((unit for unit in actor.taken if unit.owned and unit.sku == sku), None)
        if taken is None:
            taken = Taken(self.shelves.new_id(), sku, None)
            actor.taken.append(taken)
            self._own(actor.motion.end_s, taken.item_id, sku, actor, "restock")
        if self._set_down(actor, taken, action.slot, None, "restock"):
            actor.units_done += 1
        return actor.units_done >= action.quantity

    def _look_at(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, LookAt)
        middle = self.shelves.place(action.slot).centre_m
        now = actor.motion.end_s
        actor.gaze(now, now + action.for_s, (float(middle[0]), float(middle[1]), float(middle[2])))
        actor.stay(action.for_s)
        return True

    def _crouch(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, Crouch)
        now = actor.motion.end_s
        actor.bend(now, now + 0.6, now + 0.6 + action.for_s, now + 1.2 + action.for_s, 0.2, action.depth)
        actor.stay(1.2 + action.for_s)
        return True

    # --- what is held

    def _which(self, actor: Actor, number: int | None) -> Taken:
        """The ``number``-th unit taken by a shopper, or the latest that they still have."""
        having = [unit for unit in actor.taken if unit.owned]
        if number is not None:
            having = [unit for unit in actor.taken[number - 1 : number] if unit.owned]
        if not having:
            raise self._wrong(actor, "does not have that any more", "name a unit that was taken and kept")
        return having[-1]

    def _own(self, at_s: float, item_id: int, sku: str, actor: Actor | None, how: str) -> None:
        person = None if actor is None else actor.motion.person
        self.ownings.append(Owning(at_s, item_id, sku, person, how))  # type: ignore[arg-type]

    def _now_held(self, actor: Actor, taken: Taken, side: Side, at_s: float) -> None:
        taken.where = side
        self.moves.append(ItemMove(at_s, ItemState(taken.item_id, taken.sku, held_by=(actor.motion.person, side))))
        actor.carry(side, at_s + 0.3, True)

    def _to_hip(self, actor: Actor, side: Side) -> float:
        """Move a hand to the bag and back; return when it is there."""
        start, hip = actor.motion.end_s, actor.hip_m(side)
        keys = actor.motion.hands[side]
        keys.add(start, *hip, 0.0)
        keys.add(start + 0.5, *hip, 1.0)
        keys.add(start + 0.7, *hip, 1.0)
        keys.add(start + 1.1, *hip, 0.0)
        actor.stay(1.1)
        return start + 0.6

    def _bag(self, actor: Actor, taken: Taken) -> None:
        assert taken.where is not None
        side = taken.where
        at_s = self._to_hip(actor, side)
        self.moves.append(ItemMove(at_s, ItemState(taken.item_id, taken.sku)))
        actor.carry(side, at_s - 0.3, False)
        taken.where = None

    def _unbag(self, actor: Actor, taken: Taken) -> None:
        side: Side = "right" if actor.held_in("right") is None else "left"
        held = actor.held_in(side)
        if held is not None:
            self._bag(actor, held)
        self._now_held(actor, taken, side, self._to_hip(actor, side))

    def _pocket(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, Pocket)
        taken = self._which(actor, action.taken)
        if taken.where is not None:
            self._bag(actor, taken)
        return True

    def _put_on_floor(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, PutOnFloor)
        taken = self._which(actor, action.taken)
        if taken.where is None:
            self._unbag(actor, taken)
        side = taken.where
        assert side is not None
        ahead = math.radians(actor.facing_deg + (30 if side == "left" else -30))
        spot = actor.place_m + 0.3 * np.array([math.cos(ahead), math.sin(ahead)])
        target = (float(spot[0]), float(spot[1]), 0.45 * self.specs[taken.sku].size_m[2] + 0.03)
        start = actor.motion.end_s
        keys = actor.motion.hands[side]
        for at, blend in ((0.0, 0.0), (0.9, 1.0), (1.2, 1.0), (1.9, 0.0)):
            keys.add(start + at, *target, blend)
        lean, crouch = actor.bend_for(actor.place_m, actor.facing_deg, side, target) or (0.8, 1.0)
        actor.bend(start, start + 0.9, start + 1.2, start + 2.0, lean, crouch)
        actor.stay(2.0)
        place = (float(spot[0]), float(spot[1]), 0.001)
        self.moves.append(ItemMove(start + 1.05, ItemState(taken.item_id, taken.sku, place, actor.facing_deg)))
        actor.carry(side, start, False)
        taken.where, taken.owned = None, False
        self._own(start + 1.05, taken.item_id, taken.sku, None, "put_on_floor")
        return True

    def _hand_over(self, actor: Actor, action: object) -> bool:
        assert isinstance(action, HandOver)
        other = next(someone for someone in self.actors if someone.id == action.to)
        if not other.motion.places_m or other.motion.gone:
            self._be_patient(actor, f"does not meet {action.to}")
            return False
        taken = self._which(actor, action.taken)
        if taken.where is None:
            self._unbag(actor, taken)
        if not self._beside(actor, other):
            return False
        assert taken.where is not None
        self._give(actor, other, taken, taken.where)
        return True

    def _beside(self, actor: Actor, other: Actor) -> bool:
        """Walk to where the two can reach each other's hands."""
        away = actor.place_m - other.place_m
        if float(np.sqrt(away @ away)) < 0.85:
            return True
        start = math.atan2(away[1], away[0])
        for turn in (0.0, 0.5, -0.5, 1.0, -1.0, 1.6, -1.6, 2.4, -2.4, math.pi):
            spot = other.place_m + 0.72 * np.array([math.cos(start + turn), math.sin(start + turn)])
            facing = math.degrees(math.atan2(*(other.place_m - spot)[::-1]))
            if self.floor.is_free(spot) and self._go_quietly(actor, spot, facing):
                actor.stands_at = None
                return True
        self._be_patient(actor, f"finds no way to {other.id}")
        return False

    def _give(self, actor: Actor, other: Actor, taken: Taken, side: Side) -> None:
        """Both stretch out a hand; the unit changes hands between them."""
        to_side = self._hand(other, "right")
        start = max(actor.motion.end_s, other.motion.end_s)
        between = (actor.place_m + other.place_m) / 2
        point = (float(between[0]), float(between[1]), 1.05)
        for someone, hand in ((actor, side), (other, to_side)):
            towards = between - someone.place_m
            facing = math.degrees(math.atan2(towards[1], towards[0]))
            someone.stay(start - someone.motion.end_s, facing)
            keys = someone.motion.hands[hand]
            for at, blend in ((0.0, 0.0), (0.7, 1.0), (1.1, 1.0), (1.7, 0.0)):
                keys.add(start + at, *point, blend)
            someone.gaze(start, start + 1.2, point)
            someone.stay(1.8, facing)
            someone.stands_at = None
        taken.where, taken.owned = None, False
        actor.carry(side, start + 0.9, False)
        given = Taken(taken.item_id, taken.sku, taken.home)
        other.taken.append(given)
        self._now_held(other, given, to_side, start + 0.9)
        self._own(start + 0.9, given.item_id, given.sku, other, "hand_over")


def _standing(unit: Unit) -> ItemState:
    return ItemState(unit.item_id, unit.sku, unit.position_m, unit.yaw_deg)


def _inwards(gate: GatePlace) -> F64:
    along = (gate.line_m[1] - gate.line_m[0]) / gate.length_m
    return np.array([-along[1], along[0]])
