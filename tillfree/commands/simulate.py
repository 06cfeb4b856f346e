"""`tillfree simulate`: render a scenario into a recording with exact truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tillfree.errors import MissingExtra

if TYPE_CHECKING:
    from simulator.recording.job import Job


def simulate(
    scenario: Annotated[Path, typer.Argument(help="A scenario file (docs/scenarios.md).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Processes that render.")] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="Other bodies, clothes, paths and times.")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="Only this camera; may be repeated.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh/--resume", help="Throw away what is there, or go on where it was broken off.")
    ] = False,
    truth_only: Annotated[
        bool, typer.Option("--truth-only", help="Write gate scans and truth, render nothing.")
    ] = False,
) -> None:
    """Render a scenario into a recording: a video per camera, gate scans, and the exact truth.

    The same scenario and seed give the same truth, byte for byte. A run that was broken off goes
    on with what it had finished.
    """
    try:
        from simulator.recording.writer import write_job, write_truth_only
    except ModuleNotFoundError as missing:
        part = missing.name or "a package"
        raise MissingExtra(f"simulating needs {part}: pip install 'tillfree[simulator]'") from missing
    console = Console()
    job = _job(scenario, seed, camera)
    if truth_only:
        write_truth_only(job, out)
        console.print(f"Truth without pictures: {out / 'truth'}")
        return
    columns = (TextColumn("rendering"), BarColumn(), MofNCompleteColumn(), TextColumn("frames"))
    with Progress(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("rendering", total=None)
        file = write_job(job, out, jobs, fresh, lambda done, total: bar.update(task, completed=done, total=total))
    console.print(f"Recording: {file}")


def _job(scenario: Path, seed: int | None, cameras: list[str] | None) -> Job:
    """The job that the options describe; raises ScenarioError for what does not fit the scenario's store."""
    from simulator.recording.job import Job as NewJob
    from simulator.recording.settings import RecordingSettings
    from simulator.scenario.errors import ScenarioError
    from simulator.scenario.files import load_scenario

    loaded = load_scenario(scenario)
    known = tuple(item.id for item in loaded.store.cameras)
    unknown = [name for name in cameras or () if name not in known]
    if unknown:
        message = f"there is no camera {unknown[0]!r}"
        raise ScenarioError(message, file=loaded.layout_path, field="cameras", mend=f"name one of {', '.join(known)}")
    chosen = tuple(name for name in known if not cameras or name in cameras)
    rates = {item.fps for item in loaded.store.cameras if item.id in chosen}
    if len(rates) > 1:
        mend = "give all cameras one rate, or choose some with --camera"
        raise ScenarioError(
            "the cameras have different frame rates", file=loaded.layout_path, field="cameras", mend=mend
        )
    return NewJob(loaded, loaded.scenario.seed if seed is None else seed, chosen, RecordingSettings())
