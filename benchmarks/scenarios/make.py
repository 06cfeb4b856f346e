"""Writes drawn scenarios as recordings: a folder each, with a layout, a scenario and what was rendered of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import yaml
from pydantic import BaseModel

from benchmarks.scenarios.drawn import Difficulty, draw_scenario, easier, plan_of, seed_of
from benchmarks.scenarios.shop import draw_shop
from recordings.files import RECORDING_FILE
from simulator.pack_shots import pack_shots
from simulator.packaging import PackagingSpec, build_packaging
from simulator.recording.job import Job
from simulator.recording.settings import RecordingSettings
from simulator.recording.writer import ProgressCall, write_job, write_truth_only
from simulator.scenario.errors import ScenarioError
from simulator.scenario.files import LoadedScenario, check_scenario, load_scenario
from simulator.scenario.model import Scenario
from simulator.scenario.variants import fit_duration
from store_layout.model import Store

PICTURES = ".pictures"
"""Where the products' pictures lie beside the recordings; patterns such as ``OUT/*`` do not name it."""
ATTEMPTS = 30

Telling = Callable[[int], tuple[Store, Scenario]]
"""Tells a scenario and its store for an attempt, from 0."""


def drawing(name: str, difficulty: Difficulty, seed: int, catalogue: Mapping[str, PackagingSpec]) -> Telling:
    """Return what tells the scenario of a difficulty and a seed."""

    def tell(attempt: int) -> tuple[Store, Scenario]:
        number = seed_of(name, seed, attempt)
        here = easier(difficulty, attempt)
        shop = draw_shop(
            plan_of(seed), catalogue, np.random.default_rng(seed_of("shop", seed, 0)), here.look_alikes, here.facings
        )
        return shop, draw_scenario(here, shop, name, number)

    return tell


def playable(tell: Telling, name: str) -> LoadedScenario:
    """Return the first attempt that can be played. Raises ScenarioError where none of ATTEMPTS can."""
    last: ScenarioError | None = None
    for attempt in range(ATTEMPTS):
        store, scenario = tell(attempt)
        check_scenario(scenario, store)
        try:
            return fit_duration(LoadedScenario(scenario, store))
        except ScenarioError as wrong:
            last = wrong
    raise ScenarioError(f"{name} cannot be played: {last}", mend="use another seed") from last


def write_told(place: Path, tell: Telling, catalogue: Mapping[str, PackagingSpec]) -> LoadedScenario:
    """Write layout and scenario into ``place`` unless they are there, and read them."""
    file = place / "scenario.yaml"
    if not file.exists():
        loaded = playable(tell, place.name)
        place.mkdir(parents=True, exist_ok=True)
        store = _with_pictures(place, loaded.store, catalogue)
        (place / "layout.yaml").write_text(_text(store), encoding="utf-8", newline="\n")
        file.write_text(_text(loaded.scenario), encoding="utf-8", newline="\n")
    return load_scenario(file)


def render(
    place: Path,
    loaded: LoadedScenario,
    jobs: int,
    truth_only: bool,
    progress: ProgressCall,
) -> None:
    """Render what is told in ``place``, unless it is there."""
    if (place / RECORDING_FILE).exists():
        progress(1, 1)
        return
    cameras = tuple(camera.id for camera in loaded.store.cameras)
    job = Job(loaded, loaded.scenario.seed, cameras, RecordingSettings())
    if truth_only:
        write_truth_only(job, place)
        progress(1, 1)
    else:
        write_job(job, place, jobs, progress=progress)


def _with_pictures(place: Path, store: Store, catalogue: Mapping[str, PackagingSpec]) -> Store:
    """Make the products' pictures where they are missing, and have the store name them."""
    folder = place.parent / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    missing = [product.sku for product in store.products if not (folder / f"{product.sku}.jpg").exists()]
    if missing:
        for sku, picture in pack_shots(build_packaging({sku: catalogue[sku] for sku in missing})).items():
            cv2.imwrite(str(folder / f"{sku}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    named = tuple(
        product.model_copy(update={"reference_pictures": (f"../{PICTURES}/{product.sku}.jpg",)})
        for product in store.products
    )
    return store.model_copy(update={"products": named})


def _text(model: BaseModel) -> str:
    document = model.model_dump(mode="json", exclude_none=True)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
