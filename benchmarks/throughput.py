"""How near the live pipeline comes to the limit of the machine, against pure inference and ultralytics, in one run.

    python benchmarks/throughput.py --json FILE [--rounds 7] [--seconds 20] [--weights W]

A round measures one after the other, in one process tree, on the same frames of the bundled four-camera recording:

- pure OpenVINO: inputs prepared beforehand, every request busy, answers thrown away;
- ours: frames decoded by one thread a camera, detected, put on the floor, into carts and drafts of receipts with embedded
  billing and an event log on disk; no video, no dashboard; with 1, 4 and 8 cameras (8: the four, each twice, as two stores'
  worth of cameras in one would be), every frame detected in;
- ours with the motion gate on, and off, on one busy and three still cameras;
- ultralytics' own ``track`` loop over four files, one after the other in turn, with the same weights in OpenVINO INT8, and
  with the same network in PyTorch. The weights' file for PyTorch is named by ``--torch``; without it a network of the same
  layout (yolo11n) is made with random weights, which takes as long.

Rates are frames a second; ratios are paired within a round, and their medians are written: ``ours_over_pure`` (four
cameras), ``ours_over_ultralytics_int8``, ``ours_over_ultralytics_torch`` and ``gate_gain``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino as ov
from replay import encode, infer_all

from benchmarks.driving import WARM_UP, drive
from checkout.checkout import Checkout
from recordings.files import LoadedRecording, load_recording, write_gate_scans, write_recording
from store_layout.errors import InputError
from store_layout.geometry import StoreGeometry
from tillfree.billers import BillAtOnce
from tillfree.bootstrap import open_billing
from tillfree.eventlog import EventLogWriter
from tillfree.prices import price_book
from tillfree.replay import gate_scans
from tillfree.run import StoreRun
from tillfree.settings import load_settings
from tillfree.sources.video import camera_sources, frames, one_thread_a_picture, open_recording
from tillfree.system import settle_memory
from vision.detectors import DetectorSettings, find_weights, load_detector
from vision.detectors.letterbox import Letterbox
from vision.detectors.metadata import read_metadata
from vision.detectors.openvino_yolo import compile_network
from vision.pipeline import FloorStage, PixelStage
from vision.shelves import load_references
from vision.types import Frame

REPO = Path(__file__).resolve().parent.parent
RECORDING = REPO / "sample_videos" / "four-crossing"
NETWORK = REPO / "benchmarks" / "train_detector" / "person-hand.yaml"
GATE_TIMES = 4
"""The gate is measured on so many times the frames, gated and not: looks at still cameras are seconds apart."""

GATE_WARM_UP = 120
"""Frames before its clock starts, three seconds of four cameras: still cameras are awake for two at the start."""


@dataclass(frozen=True)
class Plan:
    """What a round measures: the frames of each, and which of them are run."""

    frames: int
    torch_frames: int
    weights: Path
    torch: Path
    folder: Path


# -- what is measured, each in a process of its own ------------------------------------------------


def pure(plan: Plan) -> Callable[[], dict[str, float]]:
    """Return what infers prepared pictures of the four cameras, every request busy."""
    xml = plan.weights if plan.weights.suffix == ".xml" else next(plan.weights.glob("*.xml"))
    compiled, size_px = compile_network(xml, read_metadata(xml.parent / "metadata.yaml"), DetectorSettings())
    queue = ov.AsyncInferQueue(compiled)
    inputs = []
    for frame in open_recording(load_recording(plan.folder / "four")):
        height, width = frame.image.shape[:2]
        inputs.append(Letterbox.fit((width, height), size_px).apply(frame.image)[None])
        if len(inputs) == plan.frames:
            break

    def go() -> dict[str, float]:
        infer_all(queue, inputs[:WARM_UP])
        seconds, used = infer_all(queue, inputs)
        return {"rate": len(inputs) / seconds, "cpu_ms": used / len(inputs) * 1e3}

    return go


def ours(plan: Plan, name: str, gate: str) -> Callable[[], dict[str, float]]:
    """Return what runs the live pipeline over the recording ``name``, with the motion gate ``live`` or ``never``."""
    loaded = load_recording(plan.folder / name)
    count = plan.frames * (GATE_TIMES if name == "still" else 1)
    settings = load_settings(loaded.settings_path)
    vision = settings.vision.model_copy(update={"motion": settings.vision.motion.model_copy(update={"use": gate})})
    detector = load_detector(plan.weights, vision.detector, things_of=())
    geometry = StoreGeometry(loaded.store)
    settle_memory()

    def go() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as out, one_thread_a_picture():
            book = price_book(loaded.store, None)
            with (
                open_billing(book, Path(out) / "b.sqlite", Path(out) / "s.jsonl", settings.billing) as billing,
                (Path(out) / "events.jsonl").open("w", encoding="utf-8") as log,
            ):
                run = StoreRun(
                    FloorStage(geometry, vision, load_references(loaded.store, loaded.layout_path.parent)),
                    Checkout(settings.checkout, loaded.store),
                    BillAtOnce(billing),
                    EventLogWriter(log),
                    gate_scans(loaded),
                    keep_paths=False,
                )
                stage = PixelStage(detector, geometry, vision, live=True)
                return drive(loaded, stage, run, count, GATE_WARM_UP if name == "still" else WARM_UP)

    return go


def theirs(plan: Plan, kind: str) -> Callable[[], dict[str, float]]:
    """Return what runs ultralytics' ``track`` over the four files in turn: a model a camera, as their trackers need."""
    from ultralytics import YOLO

    count = plan.torch_frames if kind == "torch" else plan.frames
    weights = plan.torch if kind == "torch" else plan.weights
    imgsz = read_metadata(plan.weights / "metadata.yaml").imgsz
    models: dict[str, Any] = {}

    def go() -> dict[str, float]:
        begin, done = 0.0, 0
        for frame in open_recording(load_recording(plan.folder / "four")):
            model = models.get(frame.camera_id) or models.setdefault(frame.camera_id, YOLO(str(weights), task="detect"))
            model.track(
                frame.image, persist=True, tracker="bytetrack.yaml", imgsz=list(imgsz), device="cpu", verbose=False
            )
            done += 1
            if done == WARM_UP:
                begin, used = time.perf_counter(), time.process_time()
            if done == WARM_UP + count:
                break
        seconds, used = time.perf_counter() - begin, time.process_time() - used
        return {"rate": (done - WARM_UP) / seconds, "cpu_ms": used / (done - WARM_UP) * 1e3}

    return go


KINDS: dict[str, Callable[[Plan], Callable[[], dict[str, float]]]] = {
    "pure": pure,
    "ours_four": lambda plan: ours(plan, "four", "never"),
    "theirs_int8": lambda plan: theirs(plan, "int8"),
    "ours_one": lambda plan: ours(plan, "one", "never"),
    "ours_eight": lambda plan: ours(plan, "eight", "never"),
    "ungated": lambda plan: ours(plan, "still", "never"),
    "gated": lambda plan: ours(plan, "still", "live"),
    "theirs_torch": lambda plan: theirs(plan, "torch"),
}


# -- recordings ----------------------------------------------------------------------------------------


def prepare(folder: Path, weights: Path, count: int) -> None:
    """Write the recordings: one, four and eight cameras, and one busy with three still ones."""
    loaded = load_recording(RECORDING)
    pictures = {source.camera_id: [frame.image for frame in frames(source)] for source in camera_sources(loaded)}
    cameras = list(pictures)
    seconds = {"one": count, "four": count / 4, "eight": count / 8, "still": GATE_TIMES * count / 4}
    still = {camera: there_and_back(quiet(pictures[camera], weights)) for camera in cameras[1:]}
    still[cameras[0]] = pictures[cameras[0]]
    write(loaded, folder / "one", {cameras[0]: cameras[0]}, pictures, seconds["one"])
    write(loaded, folder / "four", {camera: camera for camera in cameras}, pictures, seconds["four"])
    twice = {camera: camera for camera in cameras} | {f"{camera}-again": camera for camera in cameras}
    write(loaded, folder / "eight", twice, pictures, seconds["eight"])
    write(loaded, folder / "still", {camera: camera for camera in cameras}, still, seconds["still"])


def quiet(pictures: list[np.ndarray], weights: Path) -> list[np.ndarray]:
    """Return the longest stretch of pictures in which the detector finds nobody and nothing differs from the first.

    What differs is three pixels of the picture, shrunk to a quarter, by more than 8 levels.
    """
    detector = load_detector(weights, DetectorSettings(), things_of=())
    found = detector.detect([Frame("c", index, index, each) for index, each in enumerate(pictures)])
    small = [
        cv2.resize(each, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA).astype(np.int16) for each in pictures
    ]
    best, begin = (0, 0), 0
    for index in range(len(pictures) + 1):
        alike = index < len(pictures) and (np.abs(small[index] - small[begin]).max(axis=2) > 8).sum() < 3
        if index == len(pictures) or not alike or (found[index].scores >= 0.25).any():
            best = max(best, (index - begin, -begin))
            begin = index
    if best[0] < 10:
        sys.exit("error: a camera of the recording is never still for a second; its still cameras are made of such")
    return pictures[-best[1] : best[0] - best[1]]


def there_and_back(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Return the pictures followed by themselves backwards, so that nothing jumps when they are repeated."""
    return [*pictures, *pictures[-2:0:-1]]


def write(
    loaded: LoadedRecording, place: Path, cameras: dict[str, str], pictures: dict[str, Any], frame_count: float
) -> None:
    """Write a recording of ``cameras`` (id: whose pictures) with ``frame_count`` frames each and a warm-up."""
    place.mkdir(parents=True)
    of = {camera.id: camera for camera in loaded.store.cameras}
    recorded = {camera.id: camera for camera in loaded.recording.cameras}
    for name, source in cameras.items():
        encode(place / f"{name}.mp4", pictures[source], round(frame_count) + WARM_UP, of[source].fps)
    store = loaded.store.model_dump(mode="json", exclude_none=True)
    store["cameras"] = [of[source].model_copy(update={"id": name}).model_dump(mode="json", exclude_none=True)
                        for name, source in cameras.items()]  # fmt: skip
    (place / "layout.yaml").write_text(json.dumps(store), encoding="utf-8")  # JSON is YAML
    write_gate_scans(place / "gate_scans.yaml", loaded.scans)
    kept = tuple(recorded[source].model_copy(update={"id": name, "video": f"{name}.mp4", "times": "container"})
                 for name, source in cameras.items())  # fmt: skip
    changed = {"layout": "layout.yaml", "cameras": kept, "gate_scans": "gate_scans.yaml"}
    write_recording(place, loaded.recording.model_copy(update=changed))
    for product in loaded.store.products:
        for name in product.reference_pictures:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes((loaded.layout_path.parent / name).read_bytes())


# -- rounds --------------------------------------------------------------------------------------------


class Child:
    """A process that measures one thing each time it is told to."""

    def __init__(self, kind: str, plan: Plan) -> None:
        words = [sys.executable, __file__, "--child", kind, "--frames", str(plan.frames), "--folder", str(plan.folder)]
        words += ["--torch-frames", str(plan.torch_frames), "--weights", str(plan.weights), "--torch", str(plan.torch)]
        environment = os.environ | {"YOLO_VERBOSE": "false", "YOLO_AUTOINSTALL": "false"}
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPO, env=environment
        )
        self._answer()

    def measure(self) -> dict[str, float]:
        """Let it measure, and return what it says."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, float] = json.loads(line)
                return answer
        sys.exit(f"error: a measuring process ended with {self._process.wait()}")


def child(kind: str, plan: Plan) -> None:
    """Get ready, say so, and measure whenever told to."""
    go = KINDS[kind](plan)
    print("{}", flush=True)
    for _ in sys.stdin:
        print(json.dumps(go()), flush=True)


@contextmanager
def children(kinds: list[str], plan: Plan) -> Iterator[dict[str, Child]]:
    """Start a process for each kind, and end them."""
    started: dict[str, Child] = {}
    try:
        for kind in kinds:
            started[kind] = Child(kind, plan)
        yield started
    finally:
        for each in started.values():
            each.close()


def measure(kinds: list[str], plan: Plan, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Return what each round measured of each kind."""
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with children(kinds, plan) as started:
        for number in range(rounds):
            for kind in kinds:
                found[kind].append(started[kind].measure())
            rates = ", ".join(f"{kind} {found[kind][-1]['rate']:.1f}" for kind in kinds)
            print(f"round {number + 1} of {rounds}: {rates} frames/s", flush=True)
    return found


def ratios(found: dict[str, list[dict[str, float]]], over: str, under: str) -> list[float] | None:
    """Return the rounds' ratios of two rates, None where one was not measured."""
    if not (found.get(over) and found.get(under)):
        return None
    return [a["rate"] / b["rate"] for a, b in zip(found[over], found[under], strict=True)]


def summed_up(found: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    """Return the document that ``--json`` writes."""
    pairs = {
        "ours_over_pure": ("ours_four", "pure"),
        "ours_over_ultralytics_int8": ("ours_four", "theirs_int8"),
        "ours_over_ultralytics_torch": ("ours_four", "theirs_torch"),
        "gate_gain": ("gated", "ungated"),
        "one_over_pure": ("ours_one", "pure"),
        "eight_over_pure": ("ours_eight", "pure"),
    }
    result: dict[str, object] = {}
    for name, (over, under) in pairs.items():
        each = ratios(found, over, under)
        if each is not None:
            result[name], result[f"{name}_rounds"] = statistics.median(each), each
    medians = {
        kind: {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        for kind, rounds in found.items()
    }
    return result | {"medians": medians, "machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}


AIMS = {
    "ours_over_pure": ("ours, of pure inference (four cameras)", "at least 0.90"),
    "one_over_pure": ("the same with one camera", "–"),
    "eight_over_pure": ("with eight cameras", "–"),
    "ours_over_ultralytics_int8": ("ours, of ultralytics' track loop, INT8", "at least 1.25"),
    "ours_over_ultralytics_torch": ("ours, of ultralytics' track loop, PyTorch", "at least 3.3"),
    "gate_gain": ("with the motion gate, of without; one busy and three still cameras", "at least 3.3"),
}


def table(document: dict[str, Any]) -> str:
    """Return the document as markdown."""
    lines = ["| | median ratio | rounds | aim |", "|---|---|---|---|"]
    for key, (what, aim) in AIMS.items():
        if key in document:
            rounds = document[f"{key}_rounds"]
            span = f"{len(rounds)}, from {min(rounds):.3f} to {max(rounds):.3f}"
            lines.append(f"| {what} | {document[key]:.3f} | {span} | {aim} |")
    lines += ["", "| | frames/s | processor time a frame, ms |", "|---|---|---|"]
    for kind, medians in document["medians"].items():
        lines.append(f"| {kind} | {medians['rate']:.1f} | {medians['cpu_ms']:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=600, help="frames of each measurement")
    parser.add_argument("--torch-frames", type=int, default=120, help="frames of each measurement with PyTorch")
    parser.add_argument("--weights", type=Path, help="an OpenVINO folder (default: the bundled one)")
    parser.add_argument("--torch", type=Path, default=NETWORK, help="the same network for PyTorch: .pt, or its .yaml")
    parser.add_argument("--only", help="kinds to measure, with commas between")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        weights = find_weights(given.weights, None).path.resolve()
        if given.child:
            child(given.child, Plan(given.frames, given.torch_frames, weights, given.torch, given.folder))
            return
        with tempfile.TemporaryDirectory() as folder:
            plan = Plan(given.frames, given.torch_frames, weights, given.torch.resolve(), Path(folder))
            prepare(plan.folder, weights, given.frames)
            found = measure(given.only.split(",") if given.only else list(KINDS), plan, given.rounds)
    except InputError as error:
        sys.exit(f"error: {error}")
    document = summed_up(found)
    if given.json:
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(table(document))


if __name__ == "__main__":
    main()
