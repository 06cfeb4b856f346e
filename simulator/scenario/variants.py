"""The same story told anew: other slots, other products, for scores on what nobody has tuned to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from simulator.packaging import PackagingSpec
from simulator.scenario.director import compile_scenario
from simulator.scenario.errors import ScenarioError
from simulator.scenario.files import LoadedScenario, check_scenario
from simulator.scenario.model import Gap, Scenario, Shopper, Step
from simulator.scenario.streams import stream
from store_layout.model import Shelf, Slot, Store

ATTEMPTS = 20
LONGEST_S = 300.0
ROOM_S = 1.5
SIDE_GAP_M = 0.008
HEAD_GAP_M = 0.025


def vary(loaded: LoadedScenario, seed: int, specs: Mapping[str, PackagingSpec], attempt: int = 0) -> LoadedScenario:
    """Return ``loaded`` with ``seed``: its products change places, and its script uses other slots.

    Products swap only where both fit. Slots of one shelf stay together on one shelf, so that who
    stood side by side still does; a slot to which something foreign is put keeps a gap for it.
    The script may turn out not to be playable (no room for what is put back): see :func:`playable`.
    """
    store = _shuffle_products(loaded.store, seed, specs)
    slots = _draw_slots(loaded.scenario, store, stream(seed, "slots", loaded.scenario.name, attempt))
    shoppers = tuple(_rewrite(shopper, slots) for shopper in loaded.scenario.shoppers)
    gaps = tuple(Gap(slot=slots[gap.slot], missing=gap.missing) for gap in loaded.scenario.stock.gaps)
    stock = loaded.scenario.stock.model_copy(update={"gaps": gaps})
    changes = {"shoppers": shoppers, "stock": stock, "seed": seed, "name": f"{loaded.scenario.name}-{seed}"}
    scenario = loaded.scenario.model_copy(update=changes)
    check_scenario(scenario, store)
    return LoadedScenario(scenario, store, loaded.file, loaded.layout_path)


def playable(loaded: LoadedScenario, seed: int, specs: Mapping[str, PackagingSpec]) -> LoadedScenario:
    """Return the first variant of ``loaded`` with ``seed`` that can be played, as long as it takes.

    Raises ScenarioError where none of ATTEMPTS can.
    """
    last: ScenarioError | None = None
    for attempt in range(ATTEMPTS):
        varied = vary(loaded, seed, specs, attempt)
        try:
            return fit_duration(varied)
        except ScenarioError as wrong:
            last = wrong
    raise ScenarioError(f"no variant with seed {seed} can be played: {last}", mend="use another seed") from last


def fit_duration(loaded: LoadedScenario) -> LoadedScenario:
    """Return ``loaded`` with a duration that ends ROOM_S after the last shopper has left."""
    endless = replace(loaded, scenario=loaded.scenario.model_copy(update={"duration_s": LONGEST_S}))
    play = compile_scenario(endless)
    ends = [float(act.times_s[-1]) for act in play.performances.values() if act.motion.gone]
    duration = math.ceil(max(ends, default=LONGEST_S) + ROOM_S)
    return replace(loaded, scenario=loaded.scenario.model_copy(update={"duration_s": float(duration)}))


def used_slots(scenario: Scenario) -> list[str]:
    """Every slot that a scenario names, each once, in order."""
    names = [gap.slot for gap in scenario.stock.gaps]
    for shopper in scenario.shoppers:
        for step in shopper.script:
            names += [name for _, name in _slot_fields(step)]
    return list(dict.fromkeys(names))


def _slot_fields(step: Step) -> list[tuple[str, str]]:
    action = step.action
    fields = [] if isinstance(action, str) else [(name, getattr(action, name, None)) for name in ("slot", "to")]
    return [(name, value) for name, value in fields if isinstance(value, str) and "/" in value]


def _rewrite(shopper: Shopper, slots: Mapping[str, str]) -> Shopper:
    steps = []
    for step in shopper.script:
        changes = {name: slots[value] for name, value in _slot_fields(step)}
        name = next(field for field in Step.model_fields if getattr(step, field) is not None)
        action = step.action
        changed = step if isinstance(action, str) else Step(**{name: action.model_copy(update=changes)})
        steps.append(changed)
    return shopper.model_copy(update={"script": tuple(steps)})


def _draw_slots(scenario: Scenario, store: Store, rng: np.random.Generator) -> dict[str, str]:
    """Another slot for every slot: shelf for shelf, with at least as many slots."""
    free = {f"{gondola.id}/{shelf.id}": shelf for gondola in store.gondolas for shelf in gondola.shelves}
    by_shelf: dict[str, list[str]] = {}
    for slot in used_slots(scenario):
        by_shelf.setdefault(slot.rsplit("/", 1)[0], []).append(slot)
    found: dict[str, str] = {}
    for slots in sorted(by_shelf.values(), key=lambda slots: -len(slots)):
        fits = [name for name, shelf in free.items() if len(shelf.slots) >= len(slots)]
        if not fits:
            raise ScenarioError(f"{scenario.name} needs more shelves than there are", mend="use a larger store")
        name = fits[int(rng.integers(len(fits)))]
        chosen = _draw_along(slots, free.pop(name), rng)
        found |= {slot: f"{name}/{other}" for slot, other in zip(slots, chosen, strict=True)}
    return found


def _draw_along(slots: list[str], shelf: Shelf, rng: np.random.Generator) -> list[str]:
    """As many slots of a shelf, at random, in the order along it that the old ones had."""
    picked = sorted(rng.choice(len(shelf.slots), len(slots), replace=False).tolist())
    order = sorted(range(len(slots)), key=lambda index: slots[index].rsplit("/", 1)[1])
    chosen = [""] * len(slots)
    for place, index in zip(picked, order, strict=True):
        chosen[index] = shelf.slots[place].id
    return chosen


def _shuffle_products(store: Store, seed: int, specs: Mapping[str, PackagingSpec]) -> Store:
    """Swap products between slots, many times, wherever both fit."""
    rng = stream(seed, "planogram")
    places = [(shelf, slot) for gondola in store.gondolas for shelf in gondola.shelves for slot in shelf.slots]
    skus = [slot.sku for _, slot in places]
    for _ in range(20 * len(places)):
        one, two = (int(value) for value in rng.integers(len(places), size=2))
        if _fits(places[one], specs[skus[two]]) and _fits(places[two], specs[skus[one]]):
            skus[one], skus[two] = skus[two], skus[one]
    return _with_skus(store, iter(skus))


def _fits(place: tuple[Shelf, Slot], spec: PackagingSpec) -> bool:
    shelf, slot = place
    width, _, height = spec.size_m
    return width + SIDE_GAP_M <= (slot.to_m - slot.from_m) / slot.facings and height + HEAD_GAP_M <= shelf.clearance_m


def _with_skus(store: Store, skus: Iterator[str]) -> Store:
    gondolas = []
    for gondola in store.gondolas:
        shelves = []
        for shelf in gondola.shelves:
            slots = tuple(slot.model_copy(update={"sku": next(skus)}) for slot in shelf.slots)
            shelves.append(shelf.model_copy(update={"slots": slots}))
        gondolas.append(gondola.model_copy(update={"shelves": tuple(shelves)}))
    return store.model_copy(update={"gondolas": tuple(gondolas)})
