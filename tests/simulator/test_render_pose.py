"""A detector trained on photographs finds the rendered people: the proof that they look like people."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from simulator.appearance import draw_looks
from simulator.errors import NoDisplayError
from simulator.packaging import build_packaging, load_specs
from simulator.renderer import StoreRenderer
from simulator.showroom import showroom
from simulator.skeleton import load_bodies, plan_reach
from simulator.state import BodyPose, SceneState
from simulator.stock import stock_shelves
from store_layout.geometry import StoreGeometry

pytestmark = [pytest.mark.slow, pytest.mark.egl, pytest.mark.ultralytics]

SCENES = 16
LEFT_WRIST, RIGHT_WRIST = 9, 10


@pytest.fixture(scope="module")
def model(shared_dir: Path):
    ultralytics = pytest.importorskip("ultralytics", reason="needs the extra 'ultralytics'")
    weights = shared_dir / "models" / "yolov8n-pose_int8_openvino_model"
    if not weights.is_dir():
        pytest.skip("needs the shared pose weights")
    return ultralytics.YOLO(weights, task="pose")


def poses(library, looks, geometry: StoreGeometry, rng: np.random.Generator) -> tuple[BodyPose, ...]:
    """One reaches into a shelf of the back wall, one stands, one walks, none in another's way."""
    slots = [slot for slot in geometry.slots if slot.gondola_id.startswith("A")]
    slot = slots[int(rng.integers(len(slots)))]
    at = slot.centre_m[:2] + slot.normal[:2] * 0.58 + [rng.uniform(-0.2, 0.2), 0]
    x, y, z = slot.front_corners_m[2:].mean(axis=0).tolist()
    target = (x, y, z + 0.06)
    reach = plan_reach(library.skeleton(looks[1]), BodyPose(1, (float(at[0]), float(at[1])), 90.0), "right", target)
    stand = BodyPose(2, (float(rng.uniform(4.4, 5.2)), float(rng.uniform(3.0, 4.0))), float(rng.uniform(0, 360)))
    walk = BodyPose(
        3,
        (float(rng.uniform(3.2, 4.4)), float(rng.uniform(1.6, 2.4))),
        float(rng.uniform(0, 360)),
        rng.uniform(0, 6),
        1.0,
    )
    return reach, stand, walk


def overlap(first: np.ndarray, second: tuple[float, ...]) -> float:
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    inside = max(0.0, wide) * max(0.0, high)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return float(inside / (areas - inside))


def test_a_pretrained_pose_model_finds_rendered_people(model) -> None:
    library, specs, rng = load_bodies(), load_specs(), np.random.default_rng(21)
    store = showroom(specs)
    geometry = StoreGeometry(store)
    items = tuple(place.item for place in stock_shelves(geometry, specs, rng))
    try:
        renderer = StoreRenderer(store, geometry, build_packaging(specs), {}, library=library)
    except NoDisplayError as error:
        pytest.skip(str(error))
    found, wrists = [], []
    for index in range(SCENES):
        looks = draw_looks((1, 2, 3), rng)
        renderer.set_looks(looks)
        state = SceneState(index * 10.0, poses(library, looks, geometry, rng), items)
        frame = renderer.render(state, "wide", rng)
        result = model.predict(frame.image, conf=0.25, verbose=False, imgsz=640)[0]
        boxes, joints = result.boxes.xyxy.numpy(), result.keypoints.data.numpy()
        for person in frame.people:
            if person.visible_share < 0.85 or person.box_xyxy_px is None:
                continue
            fits = [overlap(box, person.box_xyxy_px) for box in boxes]
            best = int(np.argmax(fits)) if fits else -1
            found.append(best >= 0 and fits[best] > 0.5)
            height = person.box_xyxy_px[3] - person.box_xyxy_px[1]
            for wrist in (LEFT_WRIST, RIGHT_WRIST):
                if found[-1] and person.keypoints_px[wrist, 2] == 2:
                    wrists.append(math.dist(joints[best, wrist, :2], person.keypoints_px[wrist, :2]) / height)
    renderer.close()
    assert len(found) >= 30
    assert np.mean(found) >= 0.9
    assert np.mean(np.array(wrists) < 0.1) >= 0.75
