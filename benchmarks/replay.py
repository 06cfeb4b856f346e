"""How fast a recording replays, against pure inference on the same frames in the same run.

    python benchmarks/replay.py --json FILE [RECORDING] [--rounds 3] [--seconds 60] [--weights W]

The recording (by default the bundled four-camera one) is repeated until it is 60 s long. A round
measures pure OpenVINO inference (inputs prepared beforehand, asynchronous queue, nothing else) and
the whole path to receipts (decoding, inference, tracking, shelves, carts, charges; no annotated
video, no report) one after the other; ``ours_over_pure`` is the median of the rounds' ratios. Each
replay is a process of its own, whose start and imports count, so its peak memory is its own too:
``peak_rss_mib`` for 60 s and ``peak_rss_double_mib`` for twice as long say whether memory grows.
``video_and_report_cost`` is the time with annotated video and report over the time without. On a
machine that others use too, the processor milliseconds a frame (``pure_cpu_ms_per_frame``,
``our_cpu_ms_per_frame``) say more than the clock.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import openvino as ov

from recordings.files import LoadedRecording, load_recording, write_gate_scans, write_recording
from store_layout.errors import InputError
from tillfree.sources.video import camera_sources, frames, open_recording
from vision.detectors import DetectorSettings, find_weights
from vision.detectors.letterbox import Letterbox
from vision.detectors.metadata import read_metadata
from vision.detectors.openvino_yolo import compile_network

REPO = Path(__file__).resolve().parent.parent
DEFAULT = REPO / "sample_videos" / "four-crossing"
CHUNK = 400  # prepared frames in memory at once: 300 MB, and long enough that starting and ending the queue is nothing
CHILD = """
import json, resource, sys
from pathlib import Path
from tillfree.replay import ReplayOptions, replay
def peak_rss_kib():  # Linux hands ru_maxrss on from the parent; the kernel's own high-water mark begins anew
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
place, out, weights, extras = sys.argv[1:5]
options = ReplayOptions(weights=Path(weights), video=extras == "1", report=extras == "1", paths=False)
result = replay(Path(place), out=Path(out), options=options)
print(json.dumps({
    "frames": result.frame_count,
    "visits": len(result.fold.visits),
    "peak_rss_mib": peak_rss_kib() / 1024,
}))
"""


def repeat_recording(loaded: LoadedRecording, target: Path, seconds: float) -> Path:
    """Write ``loaded`` to ``target``, its videos repeated until they are ``seconds`` long."""
    cameras = []
    for source, camera in zip(camera_sources(loaded), loaded.recording.cameras, strict=True):
        wanted = round(seconds * source.fps)
        pictures = [frame.image for frame in frames(source)]
        name = f"{camera.id}.mp4"
        encode(target / name, pictures, wanted, source.fps)
        cameras.append(camera.model_copy(update={"video": name, "times": "container"}))
    target.joinpath("layout.yaml").write_bytes(loaded.layout_path.read_bytes())
    changed = {"layout": "layout.yaml", "cameras": tuple(cameras), "gate_scans": "gate_scans.yaml"}
    write_gate_scans(target / "gate_scans.yaml", loaded.scans)
    write_recording(target, loaded.recording.model_copy(update=changed))
    _link_references(loaded, target)
    return target


def _link_references(loaded: LoadedRecording, target: Path) -> None:
    for product in loaded.store.products:
        for name in product.reference_pictures:
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((loaded.layout_path.parent / name).read_bytes())


def encode(path: Path, pictures: list[np.ndarray], count: int, fps: float) -> None:
    """Write ``count`` frames to ``path``, the pictures again and again."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=round(fps), options={"crf": "26", "preset": "veryfast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for index in range(count):
            picture = av.VideoFrame.from_ndarray(pictures[index % len(pictures)], format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def pure_inference(place: Path, weights: Path) -> tuple[float, float]:
    """Return frames a second, and processor milliseconds a frame, of OpenVINO alone.

    Inputs are ready in memory, every request is busy, answers are thrown away.
    """
    xml = weights if weights.suffix == ".xml" else next(weights.glob("*.xml"))
    compiled, size_px = compile_network(xml, read_metadata(xml.parent / "metadata.yaml"), DetectorSettings())
    queue = ov.AsyncInferQueue(compiled)
    count, seconds, used, waiting = 0, 0.0, 0.0, []
    for frame in open_recording(load_recording(place)):
        height, width = frame.image.shape[:2]
        waiting.append(Letterbox.fit((width, height), size_px).apply(frame.image)[None])
        if len(waiting) == CHUNK:
            seconds, used = (a + b for a, b in zip((seconds, used), infer_all(queue, waiting), strict=True))
            count, waiting = count + len(waiting), []
    if waiting:
        seconds, used = (a + b for a, b in zip((seconds, used), infer_all(queue, waiting), strict=True))
        count += len(waiting)
    return count / seconds, used / count * 1e3


def infer_all(queue: Any, inputs: list[np.ndarray]) -> tuple[float, float]:
    """Return the seconds that the network alone takes for ``inputs``, and those of all its threads together."""
    begin, used = time.perf_counter(), time.process_time()
    for picture in inputs:
        queue.start_async({0: picture}, share_inputs=True)
    queue.wait_all()
    return time.perf_counter() - begin, time.process_time() - used


def run_child(place: Path, weights: Path, extras: bool) -> dict[str, float]:
    """Replay in a process of its own and return what it measured of itself."""
    with tempfile.TemporaryDirectory() as out:
        arguments = [sys.executable, "-c", CHILD, str(place), str(Path(out) / "run"), str(weights), str(int(extras))]
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=REPO)
        seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return answer | {"seconds": seconds, "cpu_ms_per_frame": used / answer["frames"] * 1e3}


def measure(place: Path, weights: Path, rounds: int, seconds: float) -> dict[str, object]:
    """Return the document that ``--json`` writes."""
    loaded = load_recording(place)
    with tempfile.TemporaryDirectory() as folder:
        single, double = Path(folder) / "single", Path(folder) / "double"
        single.mkdir()
        double.mkdir()
        repeat_recording(loaded, single, seconds)
        repeat_recording(loaded, double, 2 * seconds)
        pure, ours, ratios = [], [], []
        for number in range(rounds):
            pure.append(pure_inference(single, weights))
            child = run_child(single, weights, extras=False)
            ours.append(child)
            ratios.append(child["frames"] / child["seconds"] / pure[-1][0])
            print(f"round {number + 1}: pure {pure[-1][0]:.1f} frames/s, ours {ratios[-1]:.3f} of it", flush=True)
        longer = run_child(double, weights, extras=False)
        dressed = run_child(single, weights, extras=True)
    plain_s = statistics.median(each["seconds"] for each in ours)
    return {
        "ours_over_pure": statistics.median(ratios),
        "ours_over_pure_rounds": ratios,
        "pure_frames_per_second": statistics.median(rate for rate, _ in pure),
        "our_frames_per_second": statistics.median(each["frames"] / each["seconds"] for each in ours),
        "pure_cpu_ms_per_frame": statistics.median(used for _, used in pure),
        "our_cpu_ms_per_frame": statistics.median(each["cpu_ms_per_frame"] for each in ours),
        "cameras": len(loaded.recording.cameras),
        "recording_seconds": seconds,
        "peak_rss_mib": max(each["peak_rss_mib"] for each in ours),
        "peak_rss_double_mib": longer["peak_rss_mib"],
        "video_and_report_cost": dressed["seconds"] / plain_s,
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    try:
        weights = find_weights(given.weights, load_recording(given.recording).weights_path).path
        found = measure(given.recording, weights, given.rounds, given.seconds)
    except InputError as error:
        sys.exit(f"error: {error}")
    given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
