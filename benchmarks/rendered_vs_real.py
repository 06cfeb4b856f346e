"""Set rendered pictures against real ones: detectors, hands, pixels per product, blur and noise.

    python benchmarks/rendered_vs_real.py sample_videos/*/ --shared ../shared --json rendered_vs_real.json

Reads recordings with truth (rendered) and the clips of the shared test material (real), and prints the table of
docs/results.md. COCO's detectors are the judge on both sides: what they find as well in rendered as in
real pictures looks as real to them. A dash stands where the clip's truth does not say.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
from numpy.typing import NDArray

from recordings.files import load_recording, load_truth
from store_layout.geometry import StoreGeometry
from vision.detectors import Detector, DetectorSettings, load_detector
from vision.detectors.decode import overlaps
from vision.types import Detections, Frame

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

SURE = 0.4
MATCH = 0.5
MATCH_OTHER = 0.3
LEAST_VISIBLE = 0.5
LEAST_HEIGHT_PX = 40
WRISTS = (9, 10)
NEAR_WRIST = 0.1
SURE_WRIST = 0.5
COCO_DETECT, COCO_POSE = "yolo11n_int8_openvino_model", "yolov8n-pose_int8_openvino_model"


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture with what is known of it, and the one before it (or None) to tell noise from texture.

    ``boxes_px`` (N, 4) x1 y1 x2 y2 of the people, None where unknown; ``wrists_px`` (N, 2, 3) their visible wrists;
    ``others_px`` (M, 4) people who are too hidden or too small to be asked for: to find them is no mistake.
    """

    image: U8
    before: U8 | None
    boxes_px: F64 | None = None
    wrists_px: F64 | None = None
    others_px: F64 | None = None


@dataclass(slots=True)
class Tally:
    """What is collected over one source's pictures."""

    pictures: int = 0
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, *values: float) -> None:
        """Keep some values of one figure."""
        self.values.setdefault(name, []).extend(float(value) for value in values)

    def mean(self, name: str) -> float | None:
        """Return the mean of a figure, None where there is none."""
        kept = self.values.get(name)
        return round(float(np.mean(kept)), 3) if kept else None

    def median(self, name: str) -> float | None:
        """Return the median of a figure, None where there is none."""
        kept = self.values.get(name)
        return round(float(np.median(kept)), 3) if kept else None


# --- sources


def video_pictures(path: Path, every: int) -> Iterator[tuple[int, U8, U8 | None]]:
    """Yield every n-th picture of a video with its index and the picture before it."""
    reader = cv2.VideoCapture(str(path))
    before: U8 | None = None
    index = 0
    while True:
        read, image = reader.read()
        if not read:
            return
        now = np.asarray(image, np.uint8)
        if index % every == every - 1:
            yield index, now, before
        before = now
        index += 1


def rendered_pictures(folder: Path, every: int) -> Iterator[Picture]:
    """Yield pictures of a recording with its true boxes and wrists of people who are at least half visible."""
    loaded, truth = load_recording(folder), load_truth(folder)
    if truth is None:
        raise SystemExit(f"{folder} has no truth")
    for camera_id, path in loaded.paths.items():
        boxes, points = truth.boxes[camera_id], truth.keypoints[camera_id]
        for index, image, before in video_pictures(path, every):
            now = boxes.frames == index + 1
            rows = now & (boxes.visibility >= LEAST_VISIBLE) & (boxes.boxes_ltwh_px[:, 3] >= LEAST_HEIGHT_PX)
            corners = corners_of(boxes.boxes_ltwh_px)
            wrists = np.full((int(rows.sum()), 2, 3), np.nan)
            for row, person in enumerate(boxes.ids[rows]):
                found = np.flatnonzero((points.frames == index + 1) & (points.ids == person))
                if len(found):
                    wrists[row] = points.keypoints_px[found[0]][list(WRISTS)]
            yield Picture(image, before, corners[rows], wrists, corners[now & ~rows])


def corners_of(ltwh_px: F64) -> F64:
    """Return (N, 4) x1 y1 x2 y2 of left, top, width, height."""
    return np.concatenate([ltwh_px[:, :2], ltwh_px[:, :2] + ltwh_px[:, 2:4]], axis=1)


def clip_pictures(path: Path, every: int) -> Iterator[Picture]:
    """Yield pictures of a clip without truth."""
    for _, image, before in video_pictures(path, every):
        yield Picture(image, before)


def mot_boxes(path: Path) -> dict[int, F64]:
    """Return (N, 4) x1 y1 x2 y2 boxes by frame number (from 1) of a MOTChallenge file."""
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    frames = {}
    for number in np.unique(rows[:, 0]).astype(int):
        frames[int(number)] = corners_of(rows[rows[:, 0] == number][:, 2:6])
    return frames


def pets_pictures(folder: Path, every: int) -> Iterator[Picture]:
    """Yield pictures of PETS 2009 with their true boxes; frame k from 0 is k + 1 of gt.txt."""
    truth = mot_boxes(folder / "gt.txt")
    for index, image, before in video_pictures(folder / "vtest.avi", every):
        yield Picture(image, before, truth.get(index + 1, np.zeros((0, 4))))


def campus_pictures(folder: Path, every: int) -> Iterator[Picture]:
    """Yield pictures of TUD Campus with their true boxes."""
    truth = mot_boxes(folder / "gt" / "gt.txt")
    before: U8 | None = None
    for number, path in enumerate(sorted((folder / "img1").glob("*.jpg")), start=1):
        image = np.asarray(cv2.imread(str(path)), np.uint8)
        if number % every == 0:
            yield Picture(image, before, truth.get(number, np.zeros((0, 4))))
        before = image


def bin_pictures(folder: Path, every: int) -> Iterator[Picture]:
    """Yield pictures of a shelf bin: no people, only hands."""
    for path in sorted(folder.glob("*.jpg"))[::every]:
        yield Picture(np.asarray(cv2.imread(str(path)), np.uint8), None)


# --- figures


def sharpness(image: U8) -> float:
    """Return the variance of the Laplacian of the grey picture, scaled to 640 px width: low is blurred."""
    scale = 640 / image.shape[1]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    return float(cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var())


def spatial_noise(image: U8) -> float:
    """Return the standard deviation of noise in grey levels (Immerkaer 1996), over the flatter half of the picture."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float64)
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
    response = np.abs(cv2.filter2D(grey, -1, mask))
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1))
    flat = response[slope <= np.median(slope)]
    return float(np.sqrt(np.pi / 2) * flat.mean() / 6)


def temporal_noise(image: U8, before: U8) -> float:
    """Return the noise between two pictures of a still camera in grey levels, robust against what moves."""
    change = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float64) - cv2.cvtColor(before, cv2.COLOR_BGR2GRAY)
    spread = np.sqrt(np.mean(np.clip(change, *np.quantile(change, (0.05, 0.95))) ** 2))
    return float(spread / np.sqrt(2))


def match(found: Detections, truth_px: F64) -> list[tuple[int, int]]:
    """Return (found, true) pairs of sure detections and boxes, best score first, one to one."""
    table = overlaps(found.boxes_xyxy_px, truth_px.astype(np.float32)) if len(truth_px) else np.zeros((len(found), 0))
    free = np.ones(len(truth_px), np.bool_)
    pairs = []
    for row in np.flatnonzero(found.scores >= SURE):
        best = int(np.argmax(np.where(free, table[row], -1))) if free.any() else -1
        if best >= 0 and table[row, best] >= MATCH:
            free[best] = False
            pairs.append((int(row), best))
    return pairs


def tally_people(
    tally: Tally, name: str, found: Detections, truth_px: F64, others_px: F64 | None
) -> list[tuple[int, int]]:
    """Count recall, precision and scores of a detector against true boxes; finding one of the others counts as nothing."""
    pairs = match(found, truth_px)
    hit = {true for _, true in pairs}
    tally.add(f"{name}_recall", *(float(index in hit) for index in range(len(truth_px))))
    matched = {row for row, _ in pairs}
    others = np.zeros((0, 4)) if others_px is None else others_px
    shared = overlaps(found.boxes_xyxy_px, others.astype(np.float32)).max(axis=1, initial=0)
    asked = np.flatnonzero((found.scores >= SURE) & (shared < MATCH_OTHER))
    tally.add(f"{name}_precision", *(float(row in matched) for row in asked))
    tally.add(f"{name}_score", *(found.scores[row] for row, _ in pairs))
    return pairs


def tally_wrists(
    tally: Tally, name: str, places: F64, least: float, picture: Picture, pairs: Sequence[tuple[int, int]]
) -> None:
    """Count how far (N, 2, 3) found wrists or hands lie from visible true wrists, in heights of the person's box.

    Those of a confidence below ``least`` are taken as not found.
    """
    assert picture.boxes_px is not None
    assert picture.wrists_px is not None
    for row, true in pairs:
        height = picture.boxes_px[true, 3] - picture.boxes_px[true, 1]
        for wrist in picture.wrists_px[true]:
            if not wrist[2] >= 2:
                continue
            away = np.hypot(*(places[row, :, :2] - wrist[:2]).T)
            seen = np.isfinite(away) & (places[row, :, 2] >= least)
            nearest = float(away[seen].min()) / height if seen.any() else np.inf
            tally.add(f"{name}_found", float(nearest <= NEAR_WRIST))
            if np.isfinite(nearest):
                tally.add(f"{name}_error", nearest)


def tally_picture(tally: Tally, picture: Picture, frame: Frame, detectors: Mapping[str, Detector]) -> None:
    """Add all figures of one picture."""
    tally.pictures += 1
    tally.add("sharpness", sharpness(picture.image))
    tally.add("spatial_noise", spatial_noise(picture.image))
    if picture.before is not None:
        tally.add("temporal_noise", temporal_noise(picture.image, picture.before))
    found = {name: detector.detect([frame])[0] for name, detector in detectors.items()}
    sure = found["coco"].scores >= SURE
    reference = found["coco"].boxes_xyxy_px[sure].astype(np.float64)
    truth = reference if picture.boxes_px is None else picture.boxes_px
    tally.add("height_px", *(truth[:, 3] - truth[:, 1]))
    if picture.wrists_px is None:
        tally_hands_against_pose(tally, found["bundled"], found["pose"])
    for name, each in found.items():
        if picture.boxes_px is None and name == "coco":
            continue
        pairs = tally_people(
            tally, name if picture.boxes_px is not None else f"{name}_against_coco", each, truth, picture.others_px
        )
        if name == "pose":
            assert each.keypoints_px is not None
            for row, _ in pairs:
                tally.add("pose_wrist_confidence", *each.keypoints_px[row, list(WRISTS), 2])
        if picture.wrists_px is not None and name != "coco":
            skeleton = each.keypoints_px is not None
            places = each.keypoints_px[:, list(WRISTS)] if each.keypoints_px is not None else each.hands_px
            least = DetectorSettings().hands.keypoint_confidence if skeleton else 1e-6
            tally_wrists(tally, f"{name}_wrist", places.astype(np.float64), least, picture, pairs)


def tally_hands_against_pose(tally: Tally, bundled: Detections, pose: Detections) -> None:
    """Count, where no truth is known, the confident wrists of the pose model that have a bundled hand near them."""
    assert pose.keypoints_px is not None
    hands = bundled.hands_px.reshape(-1, 3)
    hands = hands[hands[:, 2] > 0]
    for row in np.flatnonzero(pose.scores >= SURE):
        height = float(pose.boxes_xyxy_px[row, 3] - pose.boxes_xyxy_px[row, 1])
        for wrist in pose.keypoints_px[row, list(WRISTS)]:
            if wrist[2] >= SURE_WRIST:
                away = np.hypot(*(hands[:, :2] - wrist[:2]).T)
                tally.add("bundled_hand_at_pose_wrist", float(len(away) > 0 and away.min() <= NEAR_WRIST * height))


def product_pixels(geometry: StoreGeometry) -> dict[str, float]:
    """Return the median over slots of pixels per metre and of a product's height in pixels, in the nearest camera."""
    sizes = {product.sku: product.size_m for product in geometry.store.products}
    per_metre, heights = [], []
    for slot in geometry.slots:
        best = 0.0
        for camera_id, camera in geometry.cameras.items():
            _, depth_m = camera.project(slot.centre_m[None])
            if geometry.sees(camera_id, slot.centre_m[None] + slot.normal * slot.depth_m / 2)[0]:
                best = max(best, float(camera.camera_matrix[0, 0]) / float(depth_m[0]))
        size = sizes.get(slot.sku)
        if best > 0:
            per_metre.append(best)
            heights += [best * size[2]] if size is not None else []
    return {
        "pixels_per_metre": round(float(np.median(per_metre)), 1),
        "product_px": round(float(np.median(heights)), 1),
    }


def nanostore_pixels(folder: Path) -> float:
    """Return pixels per metre at the shelves of the real store, in each shelf's nearest camera of 640 px width."""
    cameras = json.loads((folder / "cameras.json").read_text(encoding="utf-8"))["cameras"]
    store = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    gondolas = {each["gondola"]: each for each in store["gondolas"]}
    best = []
    for shelf in store["shelves"]:
        turn = cv2.Rodrigues(np.array(gondolas[shelf["gondola"]]["rotation_rodrigues"], np.float64))[0]
        front = np.add(shelf["translation_m"], (shelf["size_m"][0] / 2, 0.0, 0.0))
        point = np.array(gondolas[shelf["gondola"]]["translation_m"]) + turn @ front
        scales = []
        for camera in cameras.values():
            pose = np.array(camera["Tw"])
            seen = np.array(camera["K"]) @ pose[:3, :3].T @ (point - pose[:3, 3] * 0.0254)
            inside = seen[2] > 0.3 and (seen[:2] > 0).all() and (seen[:2] < seen[2]).all()
            scales += [camera["K"][0][0] * 640 / seen[2]] if inside else []
        best += [max(scales)] if scales else []
    return round(float(np.median(best)), 1)


def bin_product_px(folder: Path) -> float:
    """Return the median height in pixels of the labelled products of a shelf bin."""
    heights = [
        float(box.findtext("ymax", "0")) - float(box.findtext("ymin", "0"))
        for path in sorted(folder.glob("*.xml"))
        for box in ET.parse(path).iter("bndbox")
    ]
    return round(float(np.median(heights)), 1)


# --- the table


def figures(tally: Tally) -> dict[str, float | int | None]:
    """Return a source's figures; medians where a few pictures could rule, means of shares."""
    result: dict[str, float | int | None] = {"pictures": tally.pictures}
    for name in sorted(tally.values):
        middle = name.endswith("error") or name in ("sharpness", "spatial_noise", "temporal_noise", "height_px")
        result[name] = tally.median(name) if middle else tally.mean(name)
    return result


ROWS: tuple[tuple[str, str], ...] = (
    ("pictures", "pictures"),
    ("height_px", "people, height, px"),
    ("coco_recall", "YOLO11n (COCO): recall"),
    ("coco_precision", "YOLO11n (COCO): precision"),
    ("coco_score", "YOLO11n (COCO): score of those found"),
    ("pose_recall", "YOLOv8n-pose (COCO): recall"),
    ("pose_score", "YOLOv8n-pose (COCO): score of those found"),
    ("pose_against_coco_recall", "YOLOv8n-pose finds those of YOLO11n"),
    ("pose_wrist_confidence", "YOLOv8n-pose: confidence of wrists"),
    ("pose_wrist_found", "YOLOv8n-pose: visible wrists within 0.1 body heights"),
    ("pose_wrist_error", "YOLOv8n-pose: wrist error, body heights"),
    ("bundled_recall", "bundled: recall"),
    ("bundled_precision", "bundled: precision"),
    ("bundled_score", "bundled: score of those found"),
    ("bundled_against_coco_recall", "bundled finds those of YOLO11n"),
    ("bundled_against_coco_precision", "bundled: share of its people that YOLO11n finds too"),
    ("bundled_wrist_found", "bundled: a hand within 0.1 body heights of a visible wrist"),
    ("bundled_wrist_error", "bundled: from hand to wrist, body heights"),
    ("bundled_hand_at_pose_wrist", "bundled: a hand within 0.1 body heights of YOLOv8n-pose's sure wrists"),
    ("pixels_per_metre", "pixels per metre at the shelves"),
    ("product_px", "product, height, px"),
    ("sharpness", "sharpness: variance of the Laplacian"),
    ("spatial_noise", "noise within a picture, grey levels"),
    ("temporal_noise", "noise between pictures, grey levels"),
)


def markdown(results: Mapping[str, Mapping[str, float | int | None]]) -> str:
    """Return the table, a column for each source."""
    lines = ["| | " + " | ".join(results) + " |", "|---|" + "---|" * len(results)]
    for key, title in ROWS:
        cells = [result.get(key) for result in results.values()]
        if any(cell is not None for cell in cells):
            lines.append(f"| {title} | " + " | ".join("–" if cell is None else f"{cell:g}" for cell in cells) + " |")
    return "\n".join(lines)


def measure(source: Iterator[Picture], detectors: Mapping[str, Detector], most: int) -> dict[str, float | int | None]:
    """Return the figures over at most ``most`` pictures of a source."""
    tally = Tally()
    for index, picture in enumerate(source):
        if index >= most:
            break
        tally_picture(tally, picture, Frame("clip", index, index, picture.image), detectors)
    return figures(tally)


def real_sources(shared: Path, every: int) -> dict[str, Callable[[], Iterator[Picture]]]:
    """Return the real clips by name."""
    clips = shared / "clips"
    sources: dict[str, Callable[[], Iterator[Picture]]] = {
        f"nanostore, camera {camera}": lambda camera=camera: clip_pictures(  # type: ignore[misc]
            clips / f"nanostore-real/cps-test-01-nodepth-cam{camera}.mp4", every
        )
        for camera in (1, 3)
    }
    sources["PETS09 S2L1"] = lambda: pets_pictures(clips / "pets09-s2l1", every)
    sources["TUD Campus"] = lambda: campus_pictures(clips / "tud-campus", max(1, every // 3))
    sources["shelf bin v2"] = lambda: bin_pictures(clips / "shelf-bin" / "v2", 2)
    return sources


def run(arguments: argparse.Namespace) -> dict[str, dict[str, float | int | None]]:
    """Measure every source."""
    settings = DetectorSettings(performance="latency", threads=arguments.threads)
    weights = {
        "coco": arguments.shared / "models" / COCO_DETECT,
        "pose": arguments.shared / "models" / COCO_POSE,
        "bundled": arguments.bundled,
    }
    detectors = {name: load_detector(path, settings) for name, path in weights.items()}
    results: dict[str, dict[str, float | int | None]] = {}
    for folder in arguments.recordings:
        name = f"rendered: {folder.name}"
        results[name] = measure(rendered_pictures(folder, arguments.every), detectors, arguments.most)
        results[name] |= product_pixels(StoreGeometry(load_recording(folder).store))
    for name, source in real_sources(arguments.shared, arguments.every).items():
        results[name] = measure(source(), detectors, arguments.most)
        if name.startswith("nanostore"):
            results[name]["pixels_per_metre"] = nanostore_pixels(arguments.shared / "nanostore")
        if name.startswith("shelf bin"):
            results[name]["product_px"] = bin_product_px(arguments.shared / "clips" / "shelf-bin" / "v2")
    return results


def main() -> None:
    """Read the arguments, measure, print the table and write the figures."""
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="*", help="rendered recordings with truth")
    parser.add_argument("--shared", type=Path, default=here.parent / "shared", help="the shared test material")
    parser.add_argument("--bundled", type=Path, default=here / "vision" / "weights" / "person-hand_openvino_model")
    parser.add_argument("--every", type=int, default=6, help="take every n-th picture")
    parser.add_argument("--most", type=int, default=150, help="pictures of one source at most")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = run(given)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(markdown(results))


if __name__ == "__main__":
    main()
