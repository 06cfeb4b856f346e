"""ONNX Runtime behind the detector port: the same detections as OpenVINO and ultralytics, and clear words at bad files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vision.detectors import DetectorSettings, WeightsError, load_detector
from vision.detectors.batches import CARD_BATCH
from vision.detectors.letterbox import Letterbox
from vision.types import Detections, Frame

pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

from vision.detectors.onnx_yolo import (
    CPU,
    CUDA,
    TENSORRT,
    CpuThreads,
    NetworkInput,
    OnnxYolo,
    batch_of,
    cpu_threads,
    providers_for,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

OnnxModel = Callable[..., Path]
BOX_PX, SCORE = 0.03, 3e-4
"""What two runtimes may differ by: three steps of the rounding that the adapters apply."""


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Pictures of three sizes: coloured noise, coarse enough to differ from patch to patch."""
    random = np.random.default_rng(3)
    pictures = []
    for height, width in ((360, 640), (480, 640), (360, 640), (1080, 1920), (360, 640)):
        coarse = random.integers(0, 255, (height // 24, width // 40, 3)).astype(np.uint8)
        pictures.append(np.ascontiguousarray(np.kron(coarse, np.ones((24, 40, 1), np.uint8))))
    return [Frame("cam", index, index, picture) for index, picture in enumerate(pictures)]


def assert_alike(
    first: list[Detections], second: list[Detections], box_px: float = BOX_PX, score: float = SCORE
) -> None:
    assert sum(map(len, first)) > 10 * len(first)
    for one, two in zip(first, second, strict=True):
        assert len(one) == len(two)
        assert np.allclose(one.boxes_xyxy_px, two.boxes_xyxy_px, rtol=0, atol=box_px)
        assert np.allclose(one.scores, two.scores, rtol=0, atol=score)
        assert np.allclose(one.hands_px, two.hands_px, rtol=0, atol=2 * box_px, equal_nan=True)
        for some, other in ((one.keypoints_px, two.keypoints_px), (one.things_px, two.things_px)):
            assert (some is None) == (other is None)
            if some is not None and other is not None:
                assert some.shape == other.shape
                assert np.allclose(some, other, rtol=0, atol=box_px)


KINDS = {
    "pose": {"names": ("person",), "pose": True},
    "person and hand": {"names": ("person", "hand")},
    "person and things": {"names": ("person", "bottle", "cup")},
    "another size": {"names": ("person",), "size": (320, 256)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_runtime_and_openvino_find_the_same(
    kind: str, onnx_model: OnnxModel, openvino_of: Callable[[Path], Path], frames: list[Frame], tmp_path: Path
) -> None:
    file = onnx_model(tmp_path / "small.onnx", **KINDS[kind])
    ours, openvino = load_detector(file), load_detector(openvino_of(file))
    assert isinstance(ours, OnnxYolo)
    assert ours.name == "onnx:small"
    assert ours.input_size_px == openvino.input_size_px
    assert ours.fingerprint != openvino.fingerprint
    assert_alike(ours.detect(frames), openvino.detect(frames))


def test_things_are_boxed_for_the_cameras_that_ask(onnx_model: OnnxModel, frames: list[Frame], tmp_path: Path) -> None:
    file = onnx_model(tmp_path / "small.onnx", ("person", "bottle"))
    things = load_detector(file, things_of={"cam"}).detect(frames[:1])[0].things_px
    assert things is not None
    assert len(things) > 0
    assert load_detector(file, things_of={"another"}).detect(frames[:1])[0].things_px is None


def test_halves_give_nearly_the_same(onnx_model: OnnxModel, frames: list[Frame], tmp_path: Path) -> None:
    settings = DetectorSettings(
        overlap=1, max_people=300, max_candidates=5000
    )  # no suppression, which a last bit turns
    single = load_detector(onnx_model(tmp_path / "single.onnx"), settings).detect(frames)
    half = load_detector(onnx_model(tmp_path / "half.onnx", half=True), settings).detect(frames)
    for one, two in zip(single, half, strict=True):
        assert one.boxes_xyxy_px.dtype == two.boxes_xyxy_px.dtype == np.float32
        assert len(one) == len(two) == 300
        assert np.abs(one.scores - two.scores).max() < 0.01


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sizes of the batches that go in from now on."""
    sizes: list[int] = []
    stacked = NetworkInput.batch_of

    def noted(self: NetworkInput, pictures: Any) -> Any:
        batch = stacked(self, pictures)
        sizes.append(len(batch))
        return batch

    monkeypatch.setattr(NetworkInput, "batch_of", noted)
    return sizes


@pytest.mark.parametrize(
    ("batch", "axes"),
    [(4, {}), (1, {0: "batch"}), (1, {0: "batch", 2: "height", 3: "width"})],
    ids=["a fixed batch", "an open batch", "all open"],
)
def test_any_batch_axis_gives_what_one_picture_at_a_time_gives(
    batch: int,
    axes: dict[int, str],
    batches: list[int],
    onnx_model: OnnxModel,
    frames: list[Frame],
    tmp_path: Path,
) -> None:
    plain = load_detector(onnx_model(tmp_path / "plain.onnx"))
    other = load_detector(onnx_model(tmp_path / "other.onnx", batch=batch, axes=axes))
    assert other.input_size_px == plain.input_size_px == (640, 384)
    wanted = plain.detect(frames)
    batches.clear()
    assert_alike(other.detect(frames), wanted)
    assert set(batches) == {batch}  # a processor gains nothing by more at once


def test_several_pictures_go_through_an_open_batch_at_once(
    batches: list[int], onnx_model: OnnxModel, frames: list[Frame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a graphics card: the axis has a name that the processor's batch of one does not close."""
    monkeypatch.setattr("vision.detectors.onnx_yolo.batch_of", lambda *_: CARD_BATCH)
    detector = load_detector(
        onnx_model(tmp_path / "many.onnx", axes={0: "many"}), DetectorSettings(performance="latency")
    )
    together = detector.detect(frames * 4)
    assert max(batches) > 1
    alone = [detector.detect([frame])[0] for frame in frames]
    assert_alike(together, alone * 4)


def test_pictures_become_shares_of_one_in_rgb_and_a_fixed_batch_is_filled_up() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    batch = NetworkInput("images", (3, 2), 2, np.float32).batch_of([picture])
    assert batch.shape == (2, 3, 2, 3)
    assert np.allclose(batch[0], picture[..., ::-1].transpose(2, 0, 1) / 255)
    assert (batch[1] == 0).all()


def test_a_processor_is_shared_out_among_the_frames_in_work() -> None:
    assert cpu_threads(DetectorSettings(), 2) == CpuThreads(2, 1)
    assert cpu_threads(DetectorSettings(), 16) == CpuThreads(8, 9)
    assert cpu_threads(DetectorSettings(threads=3), 16) == CpuThreads(3, 1)
    assert cpu_threads(DetectorSettings(performance="latency"), 4) == CpuThreads(1, 4)


def test_the_provider_is_cuda_where_there_is_one_and_tensorrt_where_it_is_asked_for(tmp_path: Path) -> None:
    everything, nothing = [TENSORRT, CUDA, CPU], ["AzureExecutionProvider", CPU]

    def chosen(provider: str, available: list[str]) -> list[str]:
        settings = DetectorSettings.model_validate({"onnx_provider": provider})
        return [name for name, _ in providers_for(settings, available, tmp_path)]

    assert chosen("auto", nothing) == [CPU]
    assert chosen("auto", everything) == [CUDA, CPU]
    assert chosen("cpu", everything) == [CPU]
    assert chosen("cuda", everything) == [CUDA, CPU]
    assert chosen("tensorrt", everything) == [TENSORRT, CUDA, CPU]
    with pytest.raises(WeightsError, match=r"no tensorrt here.*onnxruntime-gpu"):
        chosen("tensorrt", [CUDA, CPU])


def test_a_card_takes_many_pictures_a_processor_one_and_a_fixed_batch_its_own() -> None:
    free = NetworkInput("images", (640, 384), None, np.float32)
    fixed = NetworkInput("images", (640, 384), 4, np.float32)
    assert (batch_of(free, CUDA), batch_of(free, CPU)) == (CARD_BATCH, 1)
    assert (batch_of(fixed, CUDA), batch_of(fixed, CPU)) == (4, 4)


@pytest.fixture
def broken_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ONNX Runtime say that it has CUDA, and fail when a session is made with it."""
    import onnxruntime

    made = onnxruntime.InferenceSession

    def failing(path: Path, options: object, providers: list[tuple[str, dict[str, str]]], **rest: object) -> object:
        if providers[0][0] == CUDA:
            raise RuntimeError("CUDA failure 35: CUDA driver version is insufficient")
        return made(path, options, providers=providers, **rest)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", failing)


def test_a_card_that_does_not_work_gives_way_to_the_processor_unless_it_was_asked_for(
    broken_card: None, onnx_model: OnnxModel, tmp_path: Path
) -> None:
    file = onnx_model(tmp_path / "small.onnx", axes={0: "batch"})
    assert load_detector(file).name == "onnx:small"
    with pytest.raises(WeightsError, match="cannot run the model with cuda: CUDA failure 35"):
        load_detector(file, DetectorSettings(onnx_provider="cuda"))


def test_a_provider_that_is_asked_for_must_be_there_and_must_be_taken(
    onnx_model: OnnxModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    says = r"vision\.detector\.onnx_provider: ONNX Runtime has no cuda here"
    file, made = onnx_model(tmp_path / "small.onnx"), onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(WeightsError, match=says):
        load_detector(file, DetectorSettings(onnx_provider="cuda"))
    # without CUDA's libraries ONNX Runtime goes on without a word on the processor
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, *_, **__: made(path, providers=[CPU]))
    with pytest.raises(WeightsError, match=says):
        load_detector(file, DetectorSettings(onnx_provider="cuda"))


def test_the_fingerprint_knows_weights_settings_and_tensorrt(
    onnx_model: OnnxModel,
    tmp_path: Path,
) -> None:
    file = onnx_model(tmp_path / "small.onnx")
    plain = load_detector(file)
    assert load_detector(file, DetectorSettings(onnx_provider="cpu")).fingerprint == plain.fingerprint
    assert load_detector(file, DetectorSettings(score=0.2)).fingerprint != plain.fingerprint
    (tmp_path / "small.onnx.data").write_bytes(b"weights of a model that keeps them apart")
    assert load_detector(file).fingerprint != plain.fingerprint


SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "no metadata": (
        {"strings": dict.fromkeys(("task", "imgsz", "names"))},
        "task: the file does not hold the metadata",
    ),
    "names that are no literal": ({"strings": {"names": "{0: person"}}, "names: the model's metadata cannot be read"),
    "nested without end": ({"strings": {"names": "(" * 5000}}, "names: the model's metadata cannot be read"),
    "another task": ({"strings": {"task": "segment"}}, "task: Input should be 'detect' or 'pose'"),
    "no people": ({"names": ("cat",)}, "no class 'person'"),
    "another skeleton": ({"pose": True, "strings": {"kpt_shape": "[5, 3]"}}, "17 keypoints"),
    "its own suppression": ({"strings": {"end2end": "True"}}, "holds its own suppression"),
    "too few rows": ({"names": ("person", "hand"), "rows": 5}, r"shape \[1, 5, 960\], not \(1, 6, anchors\)"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_unusable_models_are_told_in_one_line_with_file_and_mend(
    spoilt: str, onnx_model: OnnxModel, tmp_path: Path
) -> None:
    how, says = SPOILT[spoilt]
    file = onnx_model(tmp_path / "spoilt.onnx", **how)
    with pytest.raises(WeightsError, match=says) as caught:
        load_detector(file)
    assert str(file) in str(caught.value)
    assert "Mend:" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x09" * 40], ids=["empty", "text", "cut"])
def test_a_file_that_is_no_onnx_is_told_in_one_line(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "my.onnx"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"my\.onnx: ONNX Runtime cannot run the model") as caught:
        load_detector(file)
    assert "\n" not in str(caught.value)


def test_a_cut_off_model_is_told(onnx_model: OnnxModel, tmp_path: Path) -> None:
    file = onnx_model(tmp_path / "my.onnx")
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.raises(WeightsError, match="ONNX Runtime cannot run the model"):
        load_detector(file)


def test_a_network_that_takes_something_else_is_told(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra 'dev'")
    make, element = onnx.helper, onnx.TensorProto.UINT8
    ends = [make.make_tensor_value_info(name, element, [1, 3, 64, 64]) for name in ("images", "output0")]
    graph = make.make_graph([make.make_node("Identity", ["images"], ["output0"])], "bytes", ends[:1], ends[1:])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=9)
    make.set_model_props(model, {"task": "detect", "imgsz": "[64, 64]", "names": "{0: 'person'}"})
    onnx.save(model, tmp_path / "bytes.onnx")
    with pytest.raises(WeightsError, match=r"takes tensor\(uint8\) of shape \[1, 3, 64, 64\], not float pictures"):
        load_detector(tmp_path / "bytes.onnx")


def test_a_missing_file_and_a_missing_runtime_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="not found"):
        load_detector(tmp_path / "none.onnx")
    (tmp_path / "my.onnx").write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(WeightsError, match=r"need ONNX Runtime.*tillfree\[onnx\]"):
        load_detector(tmp_path / "my.onnx")


@pytest.fixture(scope="module")
def no_installs() -> Iterator[None]:
    """Keep ultralytics from installing what an export lacks; it reads this when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_AUTOINSTALL", "false")
        yield


@dataclass(frozen=True)
class Exports:
    """One network as a checkpoint and as its exports."""

    checkpoint: Path
    onnx: Path
    openvino: Path


EXPORT_PX = (320, 320)


def random_yolo(task: str, names: tuple[str, ...], pictures: list[np.ndarray]) -> Any:
    """Return ultralytics' smallest network with random weights that make many boxes, of one class each.

    Fresh weights say nearly the same of every place. So normalisations are set by ``pictures``, the last layers are
    widened, and a second class is what the first is not: ultralytics gives an anchor to one class alone, we to all.
    """
    import torch
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel, PoseModel

    torch.manual_seed(11)
    yolo = YOLO("yolo11n-pose.yaml" if task == "pose" else "yolo11n.yaml", verbose=False)
    yolo.model = (
        PoseModel("yolo11n-pose.yaml", nc=1, data_kpt_shape=(17, 3), verbose=False)
        if task == "pose"
        else DetectionModel("yolo11n.yaml", nc=len(names), verbose=False)
    )
    yolo.model.names = dict(enumerate(names))
    yolo.ckpt = {"train_args": {"imgsz": EXPORT_PX[0]}}
    yolo.model.task = task
    norms = [each for each in yolo.model.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        yolo.model.train()
        yolo.model(torch.from_numpy(NetworkInput("images", EXPORT_PX, None, np.float32).batch_of(pictures)))
        yolo.model.eval()
        head = yolo.model.model[-1]
        for branch in head.cv3:
            last = branch[-1]
            last.weight.normal_(0, 0.3)
            last.bias.fill_(-2.0 - len(names))
            if len(names) == 2:
                last.weight[1] = -last.weight[0]
        for branch in head.cv2:
            branch[-1].weight.normal_(0, 0.1)
    return yolo


@pytest.fixture(
    scope="module", params=[("pose", ("person",)), ("detect", ("person", "hand")), ("detect", ("person", "bottle"))]
)
def exports(
    request: pytest.FixtureRequest, frames: list[Frame], no_installs: None, tmp_path_factory: pytest.TempPathFactory
) -> Exports:
    ultralytics = pytest.importorskip("ultralytics", reason="needs the extra 'ultralytics'")
    task, names = request.param
    checkpoint = tmp_path_factory.mktemp(task) / "random.pt"
    fits = [Letterbox.fit((frame.image.shape[1], frame.image.shape[0]), EXPORT_PX) for frame in frames]
    pictures = [fit.apply(frame.image) for fit, frame in zip(fits, frames, strict=True)]
    random_yolo(task, names, pictures).save(checkpoint)
    saved = ultralytics.YOLO(checkpoint)  # a checkpoint holds halves: what is exported is what it holds
    onnx = saved.export(format="onnx", imgsz=EXPORT_PX[0], simplify=False, verbose=False)
    openvino = saved.export(format="openvino", imgsz=EXPORT_PX[0], verbose=False)
    return Exports(checkpoint, Path(onnx), Path(openvino))


def in_tolerances(found: Detections) -> np.ndarray:
    """Return a row for each person and thing, in units of what float32 through a hundred layers may move it by."""
    px, score = 0.1, 5e-4
    triple = (px, px, score)
    people = [found.boxes_xyxy_px / px, found.scores[:, None] / score, found.hands_px.reshape(-1, 6) / (triple * 2)]
    if found.keypoints_px is not None:
        people.append(found.keypoints_px.reshape(-1, 51) / (triple * 17))
    rows = np.nan_to_num(np.concatenate(people, axis=1), nan=-1e9)
    if found.things_px is not None:
        things = found.things_px / (px, px, px, px, score)
        rows = np.concatenate([rows, np.pad(things, ((0, 0), (0, rows.shape[1] - 5)))])
    return rows


def count_alone(first: list[Detections], second: list[Detections]) -> int:
    """Return how many people and things of either have none in the other that is the same within the tolerances."""
    alone = 0
    for one, two in zip(map(in_tolerances, first), map(in_tolerances, second), strict=True):
        near = np.abs(one[:, None] - two[None]).max(axis=2) <= 1
        alone += int((~near.any(axis=1)).sum() + (~near.any(axis=0)).sum())
    return alone


@pytest.mark.slow
@pytest.mark.ultralytics
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore:Converting a tensor")
def test_all_adapters_find_the_same_with_one_networks_exports(exports: Exports, frames: list[Frame]) -> None:
    from vision.detectors.ultralytics_yolo import UltralyticsYolo

    # people and hands are suppressed by ultralytics, and what it clipped to the picture by our adapter of it again: so
    # suppression is held together where it happens once, on poses, and everything else without it
    pose = exports.checkpoint.parent.name.startswith("pose")
    overlap = DetectorSettings().overlap if pose else 1.0
    settings = DetectorSettings.model_validate(
        {
            "width_px": EXPORT_PX[0],
            "height_px": EXPORT_PX[1],
            "overlap": overlap,
            "boxes_overlap": overlap,
            "max_people": 300,
            "max_candidates": 5000,
            "hands": {"box_overlap": overlap},
            "things": {"score": 0.2, "overlap": overlap, "max_count": 300},
        }
    )
    adapters = {
        "openvino": load_detector(exports.openvino, settings),
        "ultralytics with torch": load_detector(exports.checkpoint, settings),
        "ultralytics with onnx": UltralyticsYolo(exports.onnx, settings),
    }
    pictures = [frame for frame in frames if frame.image.shape[1] == 640]
    ours = load_detector(exports.onnx, settings)
    assert isinstance(ours, OnnxYolo)
    found = ours.detect(pictures)
    count = sum(len(in_tolerances(each)) for each in found)
    assert count > 25 * len(pictures)
    # a score at a threshold or an overlap at its limit turns with a last bit, and people of one box share hands by order
    alone = {name: count_alone(found, adapter.detect(pictures)) for name, adapter in adapters.items()}
    assert all(each <= 0.05 * count for each in alone.values()), alone
