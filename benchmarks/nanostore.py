"""The cases of the 2020 AutoCheckout competition, played again in their own store and rendered through six of its cameras.

    python benchmarks/nanostore.py --data DIR --out DIR --jobs 2
    tillfree evaluate DIR/* --json FILE

``--data`` is a folder with store.json, cameras.json, products.json and cases.json in the competition's plain form; other cases in the
same form work as well. ``--out`` gets ``store/`` with the layout, the planogram drawn from all cases of the folder, what the invented
products look like and their pictures, and beside it a recording for each case. A run that is broken off goes on where it was.
Who did what, where and in which order is the case's; bodies, paths and times are drawn from the case's name.

What differs from the real store: packaging is invented, the room's walls and door are read off pictures by eye, two things that were
taken in one grab are taken by one hand right after the other, and a shopper does nothing but what the case says.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Annotated

import cv2
import typer
import yaml
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.nano_store.data import CaseData, NanoData, read_data
from benchmarks.nano_store.layout import build_store, catalogue
from benchmarks.nano_store.planogram import Planogram, draw_planogram
from benchmarks.nano_store.scripts import build_scenario
from recordings.files import RECORDING_FILE
from simulator.pack_shots import pack_shots
from simulator.packaging import build_packaging
from simulator.recording.job import Job
from simulator.recording.settings import RecordingSettings
from simulator.recording.writer import ProgressCall, write_job, write_truth_only
from simulator.scenario.director import compile_scenario
from simulator.scenario.errors import ScenarioError
from simulator.scenario.files import LoadedScenario, load_scenario
from simulator.scenario.truth import truth
from simulator.scenario.variants import fit_duration
from store_layout.errors import InputError
from store_layout.files import load_store

STORE = "store"
ATTEMPTS = 20


def main(
    data: Annotated[Path, typer.Option(help="The folder with the cases, store, cameras and products.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    cases: Annotated[str, typer.Option(help="Only these cases, with commas between.")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Processes that render.")] = 1,
    truth_only: Annotated[bool, typer.Option("--truth-only", help="Write scans and truth, render nothing.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew with cases that were broken off.")] = False,
) -> None:
    """Make the store and the recordings of its cases."""
    found = read_data(data)
    planogram = draw_planogram(found)
    chosen = _chosen(found, [name for name in cases.split(",") if name], data)
    _write_store(out / STORE, found, planogram)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        shown = {case.case: bar.add_task(case.case, total=None) for case in chosen}
        for case in chosen:

            def show(done: int, total: int, name: str = case.case) -> None:
                bar.update(shown[name], completed=done, total=total)

            make_case(case, planogram, out / case.case, jobs, truth_only, show, fresh=fresh)


def _chosen(data: NanoData, names: list[str], folder: Path) -> list[CaseData]:
    unknown = set(names) - {case.case for case in data.cases}
    if unknown:
        some = ", ".join(case.case for case in data.cases)
        raise InputError(
            f"there is no case {sorted(unknown)[0]!r}", file=folder / "cases.json", mend=f"name one of {some}"
        )
    return [case for case in data.cases if not names or case.case in names]


def make_case(
    case: CaseData,
    planogram: Planogram,
    place: Path,
    jobs: int,
    truth_only: bool,
    progress: ProgressCall,
    *,
    fresh: bool = False,
) -> None:
    """Write a case's scenario and its recording, unless it is there; ``fresh`` drops what was rendered of one that was broken off.

    Raises InputError where its truth would be another than the case's.
    """
    if (place / RECORDING_FILE).exists():
        progress(1, 1)
        return
    loaded = told(case, planogram, place)
    cameras = tuple(camera.id for camera in loaded.store.cameras)
    job = Job(loaded, loaded.scenario.seed, cameras, RecordingSettings())
    if truth_only:
        write_truth_only(job, place)
        progress(1, 1)
    else:
        write_job(job, place, jobs, fresh=fresh, progress=progress)


def told(case: CaseData, planogram: Planogram, place: Path) -> LoadedScenario:
    """Write the scenario of a case beside its recording, as long as it takes, and read it again.

    Bodies are drawn until everybody reaches what they took: the real ones did. Raises ScenarioError where none of ATTEMPTS can.
    """
    file = place / "scenario.yaml"
    layout, packaging = f"../{STORE}/layout.yaml", f"../{STORE}/packaging.yaml"
    place.mkdir(parents=True, exist_ok=True)
    for attempt in range(ATTEMPTS):
        seed = zlib.crc32(f"{case.case}/{attempt}".encode())
        _write(file, build_scenario(case, planogram, seed, case.case, layout, packaging))
        try:
            loaded = fit_duration(load_scenario(file))
        except ScenarioError as wrong:
            last = wrong
            continue
        _write(file, loaded.scenario)
        _check_receipts(case, loaded, file)
        return load_scenario(file)
    raise last


def _check_receipts(case: CaseData, loaded: LoadedScenario, file: Path) -> None:
    """Raise InputError where somebody's receipt in the told scenario is not the case's."""
    visits = truth(compile_scenario(loaded), 1.0).visits
    found = {visit.id.removeprefix("visit-"): {line.sku: line.quantity for line in visit.receipt} for visit in visits}
    for shopper in case.shoppers:
        wanted = {barcode: count for barcode, count in case.receipts.get(shopper, {}).items() if count}
        if found.get(shopper) != wanted:
            message = f"{shopper} has {found.get(shopper)} in the end, and {wanted} by the case's receipt"
            raise InputError(message, file=file, mend="mend the case's events or its receipts")


def _write_store(place: Path, data: NanoData, planogram: Planogram) -> None:
    """Write the layout, the catalogue and the products' pictures; refuse where other ones are there."""
    specs = catalogue(data, planogram)
    store = build_store(data, planogram)
    layout, packs = _text(store), yaml.safe_dump({sku: _plain(spec) for sku, spec in specs.items()}, sort_keys=False)
    for file, text in ((place / "layout.yaml", layout), (place / "packaging.yaml", packs)):
        if file.exists() and file.read_text(encoding="utf-8") != text:
            raise InputError(
                "is of other cases or of another version", file=file, mend="name another folder with --out"
            )
    (place / "products").mkdir(parents=True, exist_ok=True)
    used = [product.sku for product in store.products]
    missing = [sku for sku in used if not (place / "products" / f"{sku}.jpg").exists()]
    if missing:
        shots = pack_shots(build_packaging({sku: specs[sku] for sku in missing}), missing)
        for sku, picture in shots.items():
            cv2.imwrite(str(place / "products" / f"{sku}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    (place / "packaging.yaml").write_text(packs, encoding="utf-8", newline="\n")
    (place / "layout.yaml").write_text(layout, encoding="utf-8", newline="\n")
    load_store(place / "layout.yaml")


def _plain(model: BaseModel) -> dict[str, object]:
    found: dict[str, object] = model.model_dump(mode="json", exclude_none=True)
    return found


def _text(model: BaseModel) -> str:
    return yaml.safe_dump(_plain(model), sort_keys=False, allow_unicode=True, width=120)


def _write(file: Path, model: BaseModel) -> None:
    file.write_text(_text(model), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    typer.run(main)
