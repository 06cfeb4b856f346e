"""Turn a trained checkpoint into the INT8 OpenVINO model that ships, and score it against the float one.

    python benchmarks/train_detector/export.py --checkpoint DIR/best.pt --images DIR --out vision/weights

Post-training quantisation (nncf) is calibrated on whole training pictures; the scores, written to
``scores.json`` beside the model, are those on the held-out ones. Needs nncf besides ultralytics and openvino.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
import yaml
from crops import Labelled, read_split
from train import NAMES, build_model, full_picture, score
from ultralytics.nn.tasks import DetectionModel

NAME = "person-hand"
NETWORK_PX = (384, 640)


def load(checkpoint: Path) -> DetectionModel:
    """Return the averaged network of a checkpoint, ready to be traced."""
    model = build_model(None)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["average"])
    model.eval()
    return model


def network_picture(sample: Labelled) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return (1, 3, 384, 640) of a picture no larger than that, centred between grey margins."""
    picture = full_picture(sample, NETWORK_PX)
    return picture.numpy()


def to_openvino(model: DetectionModel, calibration: list[Labelled]) -> Any:
    """Return the quantised OpenVINO model."""
    import nncf

    example = torch.zeros(1, 3, *NETWORK_PX)
    model.fuse(verbose=False)
    head = model.model[-1]
    head.export, head.format = True, "openvino"
    with torch.no_grad():
        model(example)
        traced = torch.jit.trace(model, example, strict=False, check_trace=False)
    converted = ov.convert_model(traced, input=example.shape, example_input=example)
    # the last steps from distances to boxes keep float: they hold pixels up to 640, too coarse in 8 bits
    boxes = nncf.IgnoredScope(patterns=[f".*model.{len(model.model) - 1}/.*"], validate=False)
    return nncf.quantize(
        converted,
        nncf.Dataset(calibration, network_picture),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(calibration),
        ignored_scope=boxes,
    )


class Quantised:
    """The OpenVINO model under the interface that ``score`` takes."""

    def __init__(self, model: Any) -> None:
        self._run = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def eval(self) -> None:
        """Do nothing: it does not train."""

    def __call__(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the raw output for one picture."""
        return torch.from_numpy(self._run(picture.numpy())[0])


def metadata() -> dict[str, Any]:
    """Return what metadata.yaml says, in ultralytics' form and with what the model was trained on."""
    return {
        "description": "Tillfree person and hand detector",
        "author": "Tillfree",
        "license": "AGPL-3.0-or-later",
        "stride": 16,
        "task": "detect",
        "batch": 1,
        "imgsz": list(NETWORK_PX),
        "names": NAMES,
        "args": {"batch": 1, "half": False, "int8": True, "dynamic": False, "nms": False},
        "channels": 3,
        "end2end": False,
        "trained_on": "rendered",
    }


def main() -> None:
    """Export, score both and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--calibration", type=int, default=200, help="pictures for calibration")
    given = parser.parse_args()
    training, held_out = read_split(given.images, "train"), read_split(given.images, "val")
    model = load(given.checkpoint)
    scores = {"pictures": len(held_out), "float32": score(model, held_out, NETWORK_PX)}
    quantised = to_openvino(model, training[:: max(1, len(training) // given.calibration)])
    folder = given.out / f"{NAME}_openvino_model"
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(quantised, folder / f"{NAME}.xml", compress_to_fp16=True)
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata(), sort_keys=False), encoding="utf-8")
    scores["int8"] = score(Quantised(ov.Core().read_model(folder / f"{NAME}.xml")), held_out, NETWORK_PX)
    text = json.dumps(scores, indent=2)
    (folder / "scores.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
