"""Reading scenario files together with the layout that they play in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simulator.packaging import PackagingSpec, load_specs
from simulator.scenario.errors import ScenarioError
from simulator.scenario.model import Scenario, Shopper
from store_layout.files import load_store, read_model
from store_layout.model import Store


@dataclass(frozen=True, slots=True)
class LoadedScenario:
    """A scenario and its store. ``file`` and ``layout_path`` are None where they were made in memory.

    ``catalogue``: what products look like, by SKU; None for the simulator's own.
    """

    scenario: Scenario
    store: Store
    file: Path | None = None
    layout_path: Path | None = None
    catalogue: Mapping[str, PackagingSpec] | None = None


def load_scenario(file: Path) -> LoadedScenario:
    """Read ``file`` and its layout and check that every slot and gate that it names exists.

    Raises ScenarioError with file, field and mend; LayoutError where the layout is wrong; SimulatorError for a wrong catalogue.
    """
    scenario = read_model(file, Scenario, ScenarioError)
    layout_path = file.parent / scenario.layout
    if not layout_path.is_file():
        message = f"there is no layout {scenario.layout!r}"
        raise ScenarioError(message, file=file, field="layout", mend="the path is relative to the scenario file")
    store = load_store(layout_path)
    check_scenario(scenario, store, file)
    catalogue = None if scenario.packaging is None else load_specs(file.parent / scenario.packaging)
    return LoadedScenario(scenario, store, file, layout_path, catalogue)


def check_scenario(scenario: Scenario, store: Store, file: Path | None = None) -> None:
    """Raise ScenarioError for the first slot or gate that ``scenario`` names and ``store`` does not have."""
    slots = {
        f"{gondola.id}/{shelf.id}/{slot.id}"
        for gondola in store.gondolas
        for shelf in gondola.shelves
        for slot in shelf.slots
    }
    gates = {gate.id for gate in store.gates}
    for index, gap in enumerate(scenario.stock.gaps):
        _known(file, f"stock.gaps[{index}].slot", "slot", gap.slot, slots)
    for row, shopper in enumerate(scenario.shoppers):
        for place, kind, name in _named(shopper):
            _known(file, f"shoppers[{row}].{place}", kind, name, gates if kind == "gate" else slots)


def _named(shopper: Shopper) -> list[tuple[str, str, str]]:
    """Field, kind and name of every slot and gate in a script."""
    found: list[tuple[str, str, str]] = []
    for index, step in enumerate(shopper.script):
        action = step.action
        if isinstance(action, str):
            continue
        for field in ("slot", "gate", "to"):
            name = getattr(action, field, None)
            is_slot = isinstance(name, str) and "/" in name
            if isinstance(name, str) and (is_slot or field == "gate"):
                found.append((f"script[{index}].{field}", "slot" if is_slot else "gate", name))
    return found


def _known(file: Path | None, field: str, kind: str, name: str, known: set[str]) -> None:
    if name not in known:
        some = ", ".join(sorted(known)[:4])
        raise ScenarioError(f"there is no {kind} {name!r}", file=file, field=field, mend=f"name one of {some} ...")
