"""How many camera frames the simulator renders a second.

Three people walk through the showroom, one of them carrying a bottle; every frame is
rendered for both cameras with noise, as a recording would be. Times exclude setting up
and the first frame of each camera, which fills the caches.

    python benchmarks/render.py --processes 2 --frames 40 --json render.json
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import platform
import time
from pathlib import Path

import numpy as np

from simulator.appearance import draw_looks
from simulator.packaging import build_packaging, load_specs
from simulator.renderer import StoreRenderer
from simulator.showroom import showroom
from simulator.state import BodyPose, ItemState, SceneState
from simulator.stock import stock_shelves
from store_layout.geometry import StoreGeometry

STEP_S = 0.1
SPEED_M_S = 1.1
PATHS = (((4.9, 0.8), 100.0), ((3.2, 3.6), 180.0), ((1.4, 1.2), 75.0))


def scene(index: int, items: tuple[ItemState, ...]) -> SceneState:
    """Three people ``index`` tenths of a second into their walks of 2 m and back."""
    bodies = []
    for person, (start, heading) in enumerate(PATHS, start=1):
        along = (index * STEP_S * SPEED_M_S) % 4.0
        forth = along if along < 2.0 else 4.0 - along
        turn = math.radians(heading)
        at = (start[0] + forth * math.cos(turn), start[1] + forth * math.sin(turn))
        facing = heading if along < 2.0 else heading + 180.0
        bodies.append(BodyPose(person, at, facing, 2 * math.pi * along / 1.3, 1.0, carry_right=float(person == 1)))
    return SceneState(index * STEP_S, tuple(bodies), items)


def measure(frames: int) -> dict[str, float]:
    """Render ``frames`` instants for both cameras; return wall and processor seconds per camera frame."""
    specs = load_specs()
    store = showroom(specs)
    geometry = StoreGeometry(store)
    started = time.perf_counter()
    renderer = StoreRenderer(store, geometry, build_packaging(specs), draw_looks((1, 2, 3), np.random.default_rng(4)))
    setup_s = time.perf_counter() - started
    stocked = [place.item for place in stock_shelves(geometry, specs, np.random.default_rng(1), 0.95)]
    held = next(item for item in stocked if item.sku == "solvina-orange")
    items = tuple(ItemState(item.item_id, item.sku, held_by=(1, "right")) if item is held else item for item in stocked)
    noise = np.random.default_rng(2)
    cameras = tuple(geometry.cameras)
    for camera in cameras:
        renderer.render(scene(0, items), camera, noise)
    wall, processor = time.perf_counter(), time.process_time()
    for index in range(1, frames + 1):
        state = scene(index, items)
        for camera in cameras:
            renderer.render(state, camera, noise)
    count = frames * len(cameras)
    return {
        "setup_s": setup_s,
        "wall_s": (time.perf_counter() - wall) / count,
        "processor_s": (time.process_time() - processor) / count,
        "items": float(len(items)),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--frames", type=int, default=40, help="instants rendered, each for two cameras")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("LP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        runs = pool.map(measure, [options.frames] * options.processes)
    rate = sum(1 / run["wall_s"] for run in runs)
    result = {
        "frames_per_s": round(rate, 2),
        "processor_s_per_frame": round(sum(run["processor_s"] for run in runs) / len(runs), 4),
        "setup_s": round(max(run["setup_s"] for run in runs), 2),
        "processes": options.processes,
        "people": len(PATHS),
        "products": int(runs[0]["items"]),
        "resolution_px": [640, 360],
        "load_average": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
    }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
