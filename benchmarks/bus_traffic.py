"""What a camera tells over the bus: bytes and messages, of recordings looked at as live cameras are.

    python benchmarks/bus_traffic.py sample_videos/*/ --json FILE

Each observation is packed as a vision worker packs it and unpacked as the coordinator does (tillfree/live/nats_bus.py), and so
counted. To it come a beat an
instant and a report a second, which are small; the broker's own framing, some 100 bytes a message, is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from recordings.files import load_recording
from store_layout.geometry import StoreGeometry
from tillfree.live.nats_bus import packed
from tillfree.settings import load_settings
from tillfree.sources.video import camera_sources, one_thread_a_picture, open_recording, probe
from tillfree.tape import decode_observation
from vision.detectors import find_weights, load_detector
from vision.pipeline import PixelStage


def traffic(place: Path) -> dict[str, Any]:
    """Return what the cameras of a recording tell, each and all together."""
    loaded = load_recording(place)
    settings = load_settings(loaded.settings_path)
    detector = load_detector(find_weights(None, loaded.weights_path).path, settings.vision.detector)
    stage = PixelStage(detector, StoreGeometry(loaded.store), settings.vision, live=True)
    sizes: list[int] = []
    packing_s = unpacking_s = 0.0
    with one_thread_a_picture():
        for _, observation in stage.run(open_recording(loaded)):
            begun_s = time.process_time()
            body = packed(observation)
            packed_s = time.process_time()
            decode_observation(body)
            unpacking_s += time.process_time() - packed_s
            packing_s += packed_s - begun_s
            sizes.append(len(body))
    seconds = max(probe(source).duration_s for source in camera_sources(loaded))
    cameras = len(loaded.paths)
    return {
        "cameras": cameras,
        "bytes_per_observation": {
            "mean": statistics.fmean(sizes),
            "p50": statistics.median(sizes),
            "p99": sorted(sizes)[int(0.99 * len(sizes))],
        },
        "observations_per_s_and_camera": len(sizes) / seconds / cameras,
        "kbit_per_s_and_camera": 8e-3 * sum(sizes) / seconds / cameras,
        "packing_ms": 1e3 * packing_s / len(sizes),
        "unpacking_ms": 1e3 * unpacking_s / len(sizes),
    }


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return the table of docs/scaling.md."""
    lines = [
        "| recording | cameras | bytes an observation, mean (p99) | observations/s a camera | kbit/s a camera | ms to pack, unpack |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for name, row in found.items():
        size = row["bytes_per_observation"]
        lines.append(
            f"| {name} | {row['cameras']} | {size['mean']:.0f} ({size['p99']}) | {row['observations_per_s_and_camera']:.1f}"
            f" | {row['kbit_per_s_and_camera']:.0f} | {row['packing_ms']:.2f}, {row['unpacking_ms']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    places = [place for place in given.recordings if (place / "recording.yaml").exists() or place.is_file()]
    found = {place.resolve().name: traffic(place) for place in places}
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
