"""Every adapter behind the detector port keeps the same promises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.canvas import framed
from vision.detectors import Detector, DetectorSettings, WeightsError, load_detector
from vision.detectors.appearance import describe
from vision.detectors.settings import AppearanceSettings
from vision.detectors.weights import bundled_weights
from vision.types import Detections, Frame

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

POSE = "yolov8n-pose_int8_openvino_model"
COCO = "yolo11n_int8_openvino_model"
ONNX = "random.onnx"

OnnxModel = Callable[..., Path]


def frames_of(video: Path, indices: list[int]) -> list[Frame]:
    reader = cv2.VideoCapture(str(video))
    frames = []
    for index in indices:
        reader.set(cv2.CAP_PROP_POS_FRAMES, index)
        read, image = reader.read()
        assert read
        frames.append(Frame("cam_3", index, index * 100_000_000, np.asarray(image, np.uint8)))
    return frames


@pytest.fixture(scope="module")
def store_frames(shared_dir: Path) -> list[Frame]:
    """Frames of a real store with one shopper, and without."""
    return frames_of(shared_dir / "clips/nanostore-real/cps-test-01-nodepth-cam3.mp4", [5, 55, 130, 180])


@pytest.fixture(scope="module")
def onnx_weights(onnx_model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that box something everywhere, for ONNX Runtime."""
    return onnx_model(tmp_path_factory.mktemp("weights") / ONNX, ("person", "hand", "bottle"))


@pytest.fixture(scope="module", params=[POSE, COCO, "bundled", ONNX])
def weights(request: pytest.FixtureRequest, shared_dir: Path, onnx_weights: Path) -> Path:
    return {"bundled": bundled_weights(), ONNX: onnx_weights}.get(request.param, shared_dir / "models" / request.param)


@pytest.fixture(scope="module")
def detector(weights: Path) -> Detector:
    return load_detector(weights)


def same(first: list[Detections], second: list[Detections]) -> bool:
    return all(
        one.boxes_xyxy_px.tobytes() == two.boxes_xyxy_px.tobytes()
        and one.scores.tobytes() == two.scores.tobytes()
        and one.hands_px.tobytes() == two.hands_px.tobytes()
        for one, two in zip(first, second, strict=True)
    )


def test_people_are_inside_the_picture_best_first_and_stamped_like_their_frame(
    detector: Detector, store_frames: list[Frame]
) -> None:
    for frame, found in zip(store_frames, detector.detect(store_frames), strict=True):
        assert (found.camera_id, found.frame_index, found.captured_at_ns) == (
            "cam_3",
            frame.index,
            frame.captured_at_ns,
        )
        height, width = frame.image.shape[:2]
        assert (found.boxes_xyxy_px >= 0).all()
        assert (found.boxes_xyxy_px <= (width, height, width, height)).all()
        assert (np.diff(found.scores) <= 0).all()
        assert (found.scores <= 1).all()
        looks = describe(frame.image, found.boxes_xyxy_px, AppearanceSettings())
        assert np.allclose(np.linalg.norm(looks, axis=1), 1, atol=1e-5)


def test_a_frame_gives_the_same_alone_and_in_any_batch(detector: Detector, store_frames: list[Frame]) -> None:
    together = detector.detect(store_frames)
    backwards = detector.detect(store_frames[::-1])[::-1]
    alone = [detector.detect([frame])[0] for frame in store_frames]
    assert same(together, alone)
    assert same(together, backwards)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_frames_begun_with_together_give_the_same(count: int, detector: Detector, store_frames: list[Frame]) -> None:
    frames = (store_frames * 3)[:count]
    alone = [detector.begin(frame).result() for frame in frames]
    for _ in range(2):  # what was made for the first time is used again
        assert same([work.result() for work in detector.begin_all(frames)], alone)
    backwards = [work.result() for work in reversed(detector.begin_all(frames))][::-1]
    assert same(backwards, alone)


def test_a_picture_that_lies_in_its_margins_gives_the_same(detector: Detector, store_frames: list[Frame]) -> None:
    lying = []
    for frame in store_frames:
        image = framed(*frame.image.shape[:2])
        image[:] = frame.image
        lying.append(replace(frame, picture=image))
    assert same(detector.detect(lying), detector.detect(store_frames))


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_frames_one_by_one_keep_their_order_and_few_are_held(
    ahead: int, detector: Detector, store_frames: list[Frame]
) -> None:
    frames, asked_for = store_frames * 3, 0

    def source() -> Iterator[Frame]:
        nonlocal asked_for
        for frame in frames:
            asked_for += 1
            yield frame

    given: list[Detections] = []
    for frame, found in detector.detect_each(source(), ahead):
        assert frame is frames[len(given)]
        assert found.frame_index == frame.index
        assert asked_for - len(given) <= 2 * ahead + 1
        given.append(found)
    assert asked_for == len(given) == len(frames)
    assert same(given, detector.detect(store_frames) * 3)


def test_a_detector_goes_on_after_somebody_stopped_asking(detector: Detector, store_frames: list[Frame]) -> None:
    given = iter(detector.detect_each(store_frames, ahead=3))
    next(given)
    del given
    assert same(detector.detect(store_frames), [detector.detect([frame])[0] for frame in store_frames])


def test_no_frames_give_no_detections(detector: Detector) -> None:
    assert detector.detect([]) == []


@pytest.mark.parametrize("weights", [POSE, "bundled", ONNX], indirect=True)
def test_threads_and_performance_hints_change_nothing(weights: Path, store_frames: list[Frame]) -> None:
    kinds = [
        DetectorSettings(),
        DetectorSettings(performance="latency", threads=1),
        DetectorSettings(performance="latency", threads=2),
    ]
    detectors = [load_detector(weights, settings) for settings in kinds]
    results = [detector.detect(store_frames) for detector in detectors]
    assert same(results[0], results[1])
    assert same(results[0], results[2])
    assert len({detector.fingerprint for detector in detectors}) == 1


def test_the_shopper_is_found_and_a_pose_model_finds_the_hands(store_frames: list[Frame], shared_dir: Path) -> None:
    found = load_detector(shared_dir / "models" / POSE).detect(store_frames)
    assert [bool((each.scores > 0.5).any()) for each in found] == [True, False, True, True]
    shopper = found[2]
    assert shopper.keypoints_px is not None
    assert shopper.hands_px[0, :, 2].max() > 0.5


def test_a_coco_detector_gives_people_alone_and_no_hands(store_frames: list[Frame], shared_dir: Path) -> None:
    found = load_detector(shared_dir / "models" / COCO).detect(store_frames)
    assert (found[2].scores > 0.5).sum() == 1
    assert found[2].keypoints_px is None
    assert np.isnan(found[2].hands_px[:, :, :2]).all()


def test_a_coco_detector_boxes_things_and_a_pose_model_knows_none(store_frames: list[Frame], shared_dir: Path) -> None:
    things = load_detector(shared_dir / "models" / COCO).detect(store_frames)[2].things_px
    assert things is not None
    assert 0 < len(things) <= DetectorSettings().things.max_count
    assert (np.diff(things[:, 4]) <= 0).all()
    assert things[:, 4].min() >= DetectorSettings().things.score
    assert load_detector(shared_dir / "models" / POSE).detect(store_frames)[2].things_px is None


def test_the_fingerprint_tells_other_settings_and_other_weights_apart(shared_dir: Path) -> None:
    one = load_detector(shared_dir / "models" / COCO)
    other_score = load_detector(shared_dir / "models" / COCO, DetectorSettings(score=0.2))
    other_weights = load_detector(shared_dir / "models" / POSE)
    assert len({one.fingerprint, other_score.fingerprint, other_weights.fingerprint}) == 3


def test_frames_of_another_size_come_back_in_their_own_pixels(store_frames: list[Frame], shared_dir: Path) -> None:
    frame = store_frames[2]
    wide = replace(frame, picture=np.ascontiguousarray(cv2.resize(frame.image, (960, 720))))
    detector = load_detector(shared_dir / "models" / COCO)
    small, large = detector.detect([frame, wide])
    stretched = small.boxes_xyxy_px[0] * (1.5, 2.0, 1.5, 2.0)
    assert np.abs(large.boxes_xyxy_px[0] - stretched).max() < 25


@pytest.fixture
def exact_ultralytics(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let ultralytics' own OpenVINO backend compute in float32, as ours does, not in the machine's bfloat16."""
    openvino = pytest.importorskip("openvino")
    compile_model = openvino.Core.compile_model

    def in_float32(core: object, model: object, device_name: str, config: dict[str, object]) -> object:
        return compile_model(core, model, device_name, {**config, "INFERENCE_PRECISION_HINT": "f32"})

    monkeypatch.setattr(openvino.Core, "compile_model", in_float32)
    return


@pytest.mark.slow
@pytest.mark.ultralytics
@pytest.mark.parametrize(("name", "task"), [(POSE, "pose"), (COCO, "detect")])
def test_openvino_alone_equals_ultralytics_on_the_same_frames(
    name: str, task: str, store_frames: list[Frame], shared_dir: Path, exact_ultralytics: None
) -> None:
    ultralytics = pytest.importorskip("ultralytics", reason="needs the extra 'ultralytics'")
    ours = load_detector(shared_dir / "models" / name)
    theirs = ultralytics.YOLO(str(shared_dir / "models" / name), task=task)
    for frame, found in zip(store_frames, ours.detect(store_frames), strict=True):
        wanted = theirs.predict(frame.image, imgsz=640, conf=0.1, iou=0.65, classes=[0], verbose=False)[0]
        assert np.allclose(found.boxes_xyxy_px, wanted.boxes.xyxy.numpy(), atol=0.05)
        assert np.allclose(found.scores, wanted.boxes.conf.numpy(), atol=1e-3)
        if found.keypoints_px is not None:
            assert np.allclose(found.keypoints_px, wanted.keypoints.data.numpy(), atol=0.05)


@pytest.mark.slow
@pytest.mark.ultralytics
def test_the_ultralytics_adapter_keeps_the_promises_with_the_same_weights(
    store_frames: list[Frame], shared_dir: Path, exact_ultralytics: None
) -> None:
    pytest.importorskip("ultralytics", reason="needs the extra 'ultralytics'")
    from vision.detectors.ultralytics_yolo import UltralyticsYolo

    for name in (POSE, COCO):
        weights = shared_dir / "models" / name
        ours = load_detector(weights).detect(store_frames)
        theirs = UltralyticsYolo(weights, DetectorSettings()).detect(store_frames)
        for one, two in zip(ours, theirs, strict=True):
            assert len(one) == len(two)
            assert np.allclose(one.boxes_xyxy_px, two.boxes_xyxy_px, atol=0.05)
            assert np.allclose(one.hands_px, two.hands_px, atol=0.1, equal_nan=True)
            assert (one.things_px is None) == (two.things_px is None)


def test_importing_vision_brings_no_vendor() -> None:
    program = (
        "import sys; import vision, vision.detectors, vision.types, vision.detectors.weights; "
        "print(sorted({'openvino', 'onnxruntime', 'ultralytics', 'torch', 'nncf'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("weights", [COCO, ONNX], indirect=True)
def test_running_exported_weights_needs_neither_torch_nor_ultralytics_nor_onnx(weights: Path) -> None:
    program = (
        "import sys; from pathlib import Path; import numpy as np; from vision.detectors import load_detector; "
        "from vision.types import Frame; "
        f"found = load_detector(Path({str(weights)!r})); "
        "found.detect([Frame('c', 0, 0, np.zeros((360, 640, 3), np.uint8))]); "
        "print(sorted({'ultralytics', 'torch', 'onnx'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_pt_weights_without_ultralytics_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    weights = tmp_path / "my.pt"
    weights.write_bytes(b"anything")
    with pytest.raises(WeightsError, match=r"tillfree\[ultralytics\]"):
        load_detector(weights)


@pytest.mark.slow
@pytest.mark.ultralytics
def test_pt_weights_that_are_none_are_told_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("ultralytics", reason="needs the extra 'ultralytics'")
    weights = tmp_path / "my.pt"
    weights.write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match=r"my\.pt: ultralytics cannot read the weights") as caught:
        load_detector(weights)
    assert "\n" not in str(caught.value)
