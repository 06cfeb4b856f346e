"""Scores on the sample scenarios told anew: other bodies, clothes, paths, times, slots and products.

Nothing is tuned on these recordings, and nobody looks at one of them alone: only the total is told. They are rendered once
into a cache (``out/other_seeds``), piece by piece: a run that is broken off goes on. The same seeds
give the same recordings.

    python benchmarks/other_seeds.py --json out/other_seeds.json --seeds 101,102 --jobs 2
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from recordings.files import RECORDING_FILE
from simulator.packaging import load_specs
from simulator.recording.job import Job
from simulator.recording.settings import RecordingSettings
from simulator.recording.writer import ProgressCall, write_job
from simulator.scenario.files import LoadedScenario, load_scenario
from simulator.scenario.variants import playable
from tillfree.commands.evaluate import load_pair, run_all
from tillfree.evaluation.scores import document, total
from tillfree.evaluation.tables import evaluation_tables
from tillfree.replay import ReplayOptions

REPO = Path(__file__).resolve().parent.parent
SAMPLES = REPO / "sample_videos"


def main(
    json_file: Annotated[Path, typer.Option("--json", help="Write the scores to this file.")],
    seeds: Annotated[
        str, typer.Option(help="Seeds, with commas between; each scenario is told with each.")
    ] = "101,102",
    jobs: Annotated[int, typer.Option(min=1, help="Processes that render.")] = 1,
    cache: Annotated[Path, typer.Option(help="Where the recordings are kept.")] = REPO / "out" / "other_seeds",
    render_only: Annotated[bool, typer.Option("--render-only", help="Render, and score nothing.")] = False,
    weights: Annotated[Path | None, typer.Option(help="Detector weights instead of the bundled ones.")] = None,
) -> None:
    """Render every sample scenario with further seeds, and score the pipeline on all of them together."""
    numbers = [int(seed) for seed in seeds.split(",")]
    scenarios = sorted(SAMPLES.glob("*/scenario.yaml"))
    places = [cache / f"{file.parent.name}-{seed}" for seed in numbers for file in scenarios]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        for place, (seed, file) in zip(places, ((s, f) for s in numbers for f in scenarios), strict=True):
            _render(place, file, seed, jobs, _shown(bar, place.name))
    if not render_only:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        _score(places, json_file, weights, cache)


def _score(places: list[Path], json_file: Path, weights: Path | None, cache: Path) -> None:
    """Replay all, show the pooled scores, and write them."""
    scores, _ = run_all(
        places,
        [load_pair(place) for place in places],
        None,
        ReplayOptions(weights=weights, tapes=cache / "tapes"),
        check=False,
    )
    pooled = total(scores, "other seeds")
    for table in evaluation_tables([pooled]):
        Console().print(table)
    text = json.dumps({"version": 1, "count": len(scores), "total": document(pooled)}, indent=1, allow_nan=False)
    json_file.write_text(text + "\n", encoding="utf-8", newline="\n")


def _shown(bar: Progress, name: str) -> ProgressCall:
    """A line of the progress display, to be called with what is done and what there is."""
    task = bar.add_task(name, total=None)

    def show(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    return show


def _render(place: Path, file: Path, seed: int, jobs: int, progress: ProgressCall) -> None:
    """Render one variant into ``place`` unless it lies there already."""
    if (place / RECORDING_FILE).exists():
        progress(1, 1)
        return
    if not (place / "scenario.yaml").exists():
        _write_variant(place, load_scenario(file), seed)
    loaded = load_scenario(place / "scenario.yaml")
    cameras = tuple(camera.id for camera in loaded.store.cameras)
    write_job(Job(loaded, seed, cameras, RecordingSettings()), place, jobs, progress=progress)


def _write_variant(place: Path, loaded: LoadedScenario, seed: int) -> None:
    """Write the scenario and the layout of a variant, with the products' reference pictures."""
    varied = playable(loaded, seed, load_specs())
    assert loaded.layout_path is not None
    place.mkdir(parents=True, exist_ok=True)
    for product in varied.store.products:
        for picture in product.reference_pictures:
            (place / picture).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(loaded.layout_path.parent / picture, place / picture)
    scenario = varied.scenario.model_copy(update={"layout": "layout.yaml"})
    for name, model in (("layout.yaml", varied.store), ("scenario.yaml", scenario)):
        document = model.model_dump(mode="json", exclude_none=True)
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
        (place / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    typer.run(main)
