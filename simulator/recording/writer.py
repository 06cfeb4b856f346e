"""Makes a recording folder of a scenario: plans the pieces, has them rendered, joins them, writes the rest."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable
from contextlib import closing
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np

from recordings.files import write_gate_scans, write_recording
from recordings.model import RecordedCamera, Recording
from recordings.tables import BoxTable, KeypointTable
from recordings.truth import TRUTH_FOLDER, LoadedTruth, write_truth
from simulator.recording.job import Job, Piece, pieces_of
from simulator.recording.pieces import PieceRenderer
from simulator.recording.video import join_pieces
from simulator.scenario.director import compile_scenario
from simulator.scenario.errors import ScenarioError
from simulator.scenario.play import Play
from simulator.scenario.truth import floor_table, gate_scans, truth

WORK_FOLDER = ".rendering"
RECORDING_FILE = "recording.yaml"

ProgressCall = Callable[[int, int], None]
"""Called with camera-frames done and camera-frames in all."""


def write_truth_only(job: Job, out: Path) -> Play:
    """Compile the scenario and write gate scans and truth without boxes and keypoints; render nothing."""
    play = compile_scenario(job.loaded, job.seed)
    write_gate_scans(out / "gate_scans.yaml", gate_scans(play))
    write_truth(out, LoadedTruth(truth(play, job.fps), {}, floor_table(play, job.fps), {}))
    return play


def write_job(job: Job, out: Path, jobs: int = 1, fresh: bool = False, progress: ProgressCall | None = None) -> Path:
    """Render ``job`` into the folder ``out`` with ``jobs`` processes and return its recording.yaml.

    A run that was broken off goes on with the pieces that it had finished. Raises ScenarioError
    where ``out`` holds a recording, or pieces of another scenario, layout or program, unless ``fresh``.
    """
    play = compile_scenario(job.loaded, job.seed)
    folder = _work_folder(job, out, fresh)
    pieces = pieces_of(job, play)
    _render_all(job, play, folder, pieces, jobs, progress or _silent)
    (out / "videos").mkdir(exist_ok=True)
    for camera in job.cameras:
        files = [(piece.video(folder, camera), piece.first) for piece in pieces]
        join_pieces(files, out / "videos" / f"{camera}.mp4", job.fps)
    _write_truth(job, play, out, folder, pieces)
    write_gate_scans(out / "gate_scans.yaml", gate_scans(play))
    file = write_recording(out, _recording(job, out))
    shutil.rmtree(folder)
    return file


def _silent(done: int, total: int) -> None:
    """Show no progress."""


def _work_folder(job: Job, out: Path, fresh: bool) -> Path:
    """Make or take up the folder of unfinished work."""
    folder, mark = out / WORK_FOLDER, out / WORK_FOLDER / "fingerprint.json"
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
        (out / RECORDING_FILE).unlink(missing_ok=True)
    if (out / RECORDING_FILE).exists():
        raise ScenarioError("holds a recording already", file=out, mend="name another folder, or use --fresh")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"fingerprint": job.fingerprint}
    if mark.exists() and json.loads(mark.read_text(encoding="utf-8")) != wanted:
        message = "was begun with another scenario, layout, setting or version"
        raise ScenarioError(message, file=out, mend="use --fresh to render it anew")
    mark.write_text(json.dumps(wanted), encoding="utf-8")
    return folder


def _render_all(job: Job, play: Play, folder: Path, pieces: list[Piece], jobs: int, progress: ProgressCall) -> None:
    total = pieces[-1].end * len(job.cameras)
    missing = [piece for piece in pieces if not piece.truth(folder).exists()]
    done = total - sum(piece.end - piece.first for piece in missing) * len(job.cameras)
    progress(done, total)
    if not missing:
        return
    if jobs <= 1 or len(missing) == 1:
        with closing(PieceRenderer(job, play, folder)) as renderer:
            for piece in missing:
                renderer.render(piece)
                done += (piece.end - piece.first) * len(job.cameras)
                progress(done, total)
        return
    _render_with_processes(job, folder, missing, min(jobs, len(missing)), done, total, progress)


def _render_with_processes(
    job: Job, folder: Path, missing: list[Piece], jobs: int, done: int, total: int, progress: ProgressCall
) -> None:
    """Hand the pieces to processes; each has its own renderer, as OpenGL does not cross processes."""
    context = multiprocessing.get_context("spawn")
    tasks: Queue[Piece | None] = context.Queue()
    results: Queue[Piece | str] = context.Queue()
    for task in [*missing, *[None] * jobs]:
        tasks.put(task)
    workers = [context.Process(target=_work, args=(job, folder, tasks, results), daemon=True) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    try:
        for _ in missing:
            result = results.get()
            if isinstance(result, str):
                raise ScenarioError(f"a rendering process failed: {result}", mend="render with --jobs 1 to see why")
            done += (result.end - result.first) * len(job.cameras)
            progress(done, total)
    finally:
        for worker in workers:
            worker.terminate() if worker.exitcode is None and len(missing) and done < total else worker.join()


def _work(job: Job, folder: Path, tasks: Queue[Piece | None], results: Queue[Piece | str]) -> None:
    """Render pieces until there are none left. What goes wrong is told to the parent, which gives up."""
    try:
        renderer = PieceRenderer(job, compile_scenario(job.loaded, job.seed), folder)
        while (piece := tasks.get()) is not None:
            renderer.render(piece)
            results.put(piece)
    except Exception as wrong:  # noqa: BLE001 (the outermost loop of a worker process)
        results.put(f"{type(wrong).__name__}: {wrong}")


def _write_truth(job: Job, play: Play, out: Path, folder: Path, pieces: list[Piece]) -> None:
    shutil.rmtree(out / TRUTH_FOLDER, ignore_errors=True)
    boxes: dict[str, BoxTable] = {}
    keypoints: dict[str, KeypointTable] = {}
    for camera in job.cameras:
        parts = []
        for piece in pieces:
            with np.load(piece.truth(folder), allow_pickle=False) as data:
                parts.append(data[camera])
        rows = np.concatenate(parts)
        frames, ids = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
        boxes[camera] = BoxTable(frames, ids, rows[:, 2:6].copy(), rows[:, 6].copy())
        keypoints[camera] = KeypointTable(frames, ids, rows[:, 7:].reshape(-1, 17, 3).copy())
    write_truth(out, LoadedTruth(truth(play, job.fps), boxes, floor_table(play, job.fps), keypoints))


def _recording(job: Job, out: Path) -> Recording:
    return Recording(
        version=1,
        name=job.loaded.scenario.name,
        layout=_layout(job, out),
        started_at=job.loaded.scenario.started_at,
        cameras=tuple(RecordedCamera(id=camera, video=f"videos/{camera}.mp4") for camera in job.cameras),
        licence="AGPL-3.0-or-later",
        rendered=True,
    )


def _layout(job: Job, out: Path) -> str:
    """The layout's path: the scenario's own where the recording lies beside the scenario, else a copy."""
    source, file = job.loaded.layout_path, job.loaded.file
    if source is None or file is None:
        raise ScenarioError("the scenario was not read from a file", mend="load it with load_scenario")
    if file.parent.resolve() == out.resolve():
        return job.loaded.scenario.layout
    shutil.copyfile(source, out / "layout.yaml")
    for product in job.loaded.store.products:
        for picture in product.reference_pictures:
            if (source.parent / picture).is_file():
                (out / picture).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source.parent / picture, out / picture)
    return "layout.yaml"
