"""The frozen backbone, run in INT8 by OpenVINO: a quarter of the time that PyTorch takes on a CPU.

Only the neck and the head are trained, on features as the shipped INT8 model will compute them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
import torch
from ultralytics.nn.tasks import DetectionModel

TAPS = (4, 6, 9)
"""Layers whose output the neck takes: strides 8, 16 and 32."""


class _Body(torch.nn.Module):
    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the outputs of TAPS."""
        kept = []
        for index, layer in enumerate(self.layers):
            picture = layer(picture)
            if index in TAPS:
                kept.append(picture)
        return tuple(kept)


class FrozenBackbone:
    """Features of batches of one shape."""

    def __init__(self, model: DetectionModel, calibration: list[torch.Tensor], threads: int) -> None:
        import nncf

        body = _Body(model.model[: TAPS[-1] + 1]).eval()
        example = calibration[0]
        with torch.no_grad():
            traced = torch.jit.trace(body, example, check_trace=False)
        converted = ov.convert_model(traced, example_input=example, input=example.shape)
        data = nncf.Dataset([each.numpy() for each in calibration])
        quantised = nncf.quantize(converted, data, preset=nncf.QuantizationPreset.MIXED, subset_size=len(calibration))
        self._run = ov.Core().compile_model(quantised, "CPU", {"INFERENCE_NUM_THREADS": threads})

    def __call__(self, pictures: torch.Tensor) -> dict[int, torch.Tensor]:
        """Return the outputs of TAPS for (B, 3, side, side)."""
        found = self._run(pictures.numpy())
        return {tap: torch.from_numpy(np.array(found[row])) for row, tap in enumerate(TAPS)}


def from_features(model: DetectionModel, features: dict[int, torch.Tensor]) -> Any:
    """Return what ``model`` gives for pictures of these features: its neck and head alone are run."""
    kept, last = dict(features), features[TAPS[-1]]
    for layer in model.model[TAPS[-1] + 1 :]:
        if isinstance(layer.f, list):
            given: Any = [last if source == -1 else kept[source] for source in layer.f]
        else:
            given = last if layer.f == -1 else kept[layer.f]
        last = kept[layer.i] = layer(given)
    return last
