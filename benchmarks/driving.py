"""The live pipeline driven as fast as it goes, for benchmarks."""

from __future__ import annotations

import threading
import time

from recordings.files import LoadedRecording
from tillfree.live.engine import Engine, EngineSettings, Watcher
from tillfree.live.queues import FilesInStep
from tillfree.run import StoreRun
from tillfree.sources.video import CameraSource, camera_sources, frames
from tillfree.system import system_clock
from vision.pipeline import PixelStage

WARM_UP = 40
"""Frames before the clock starts: caches, first allocations, the detector's first requests."""


def drive(
    loaded: LoadedRecording,
    stage: PixelStage,
    run: StoreRun,
    count: int,
    warm_up: int,
    watchers: tuple[Watcher, ...] = (),
) -> dict[str, float]:
    """Run ``count`` frames after ``warm_up`` through the engine and return rate, processor time and what became of them."""
    sources = camera_sources(loaded)
    files = FilesInStep([source.camera_id for source in sources])
    engine = Engine(files, stage, run, EngineSettings(), system_clock, watchers)
    threads = [threading.Thread(target=read, args=(source, files), daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    warm, begin, used = 0, 0.0, 0.0
    done = 0
    while done < warm_up + count and not files.is_over:
        done += engine.step(1.0)
        if done >= warm_up and not begin:
            warm, begin, used = done, time.perf_counter(), time.process_time()
    engine.drain()
    seconds, used = time.perf_counter() - begin, time.process_time() - used
    files.close()
    for thread in threads:
        thread.join()
    return {
        "rate": (done - warm) / seconds,
        "cpu_ms": used / (done - warm) * 1e3,
        "frames": done,
        "spared": stage.spared_count,
        "late": run.late_count,
        "interactions": len(run.fold.interactions),
    }


def read(source: CameraSource, files: FilesInStep) -> None:
    """Decode one camera's file into the queue."""
    for frame in frames(source):
        if not files.put(frame):
            return
    files.end(source.camera_id)
