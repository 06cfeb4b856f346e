"""YOLO models of ultralytics, exported to ONNX, run by ONNX Runtime alone. Needs the extra ``tillfree[onnx]``."""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detectors.base import IN_WORK, Detector, Pending, WeightsError, fingerprint
from vision.detectors.batches import CARD_BATCH, BatchWorker
from vision.detectors.letterbox import Letterbox
from vision.detectors.metadata import metadata_of_strings
from vision.detectors.settings import DetectorSettings
from vision.detectors.yolo_head import RawOutput, YoloHead, check_output
from vision.types import U8, Detections, Frame

INSTALL = 'pip install "tillfree[onnx]"'
INSTALL_FOR_CARDS = "install onnxruntime-gpu[cuda,cudnn] in place of onnxruntime (TensorRT apart), or set it to auto"
EXPORT = "export it with `yolo export format=onnx`"
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
ON_CARDS = ("cuda", "tensorrt")
"""What settings ask for by name: where it is missing, that is an error."""
CUDA_OPTIONS = {
    "use_tf32": "0",  # float32 as on a processor, not with ten bits of mantissa
    "cudnn_conv_algo_search": "HEURISTIC",  # the default times all algorithms for each new size of batch
}
ELEMENTS: dict[str, type[np.float32 | np.float16]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

Provider = tuple[str, dict[str, str]]


class OnnxYolo(Detector):
    """A detector on ONNX Runtime: in batches on a graphics card, several frames side by side on a processor."""

    def __init__(self, weights: Path, settings: DetectorSettings, things_of: Container[str] | None = None) -> None:
        """``things_of`` names the cameras whose other things are boxed, too; None: all of them."""
        if not weights.is_file():
            raise WeightsError("detector weights not found", file=weights, mend="check the path")
        digest = fingerprint(_adapter(settings), _files(weights), settings)
        self._session = _open(weights, settings, digest)
        self._head = YoloHead(
            metadata_of_strings(self._session.get_modelmeta().custom_metadata_map, weights), settings, things_of
        )
        self._input = read_input(self._session, weights, settings)
        self._try(weights, settings)
        provider = self._session.get_providers()[0]
        runs = 1 if provider != CPU else cpu_threads(settings, _cores()).runs
        self._work = BatchWorker(self._detect, batch_of(self._input, provider), runs)
        self._name = (
            f"onnx{'' if provider == CPU else '-' + provider.removesuffix('ExecutionProvider').lower()}:{weights.stem}"
        )
        self._fingerprint = digest

    @property
    def name(self) -> str:
        """Return ``onnx:``, or ``onnx-cuda:`` and the like where no processor computes, and the file's name."""
        return self._name

    @property
    def fingerprint(self) -> str:
        """Return a digest of the weights and the settings."""
        return self._fingerprint

    @property
    def input_size_px(self) -> tuple[int, int]:
        """Return width and height of the network's picture."""
        return self._input.size_px

    def begin(self, frame: Frame) -> Pending:
        """Begin with a frame and return at once."""
        return self._work.submit(frame)

    def _detect(self, frames: Sequence[Frame]) -> list[Detections]:
        size = self._input.size_px
        fits = [Letterbox.fit((frame.image.shape[1], frame.image.shape[0]), size) for frame in frames]
        outputs = self._run([_picture(fit, frame) for fit, frame in zip(fits, frames, strict=True)])
        return [self._head.read(*each) for each in zip(frames, fits, outputs[: len(frames)], strict=True)]

    def _run(self, pictures: Sequence[U8]) -> RawOutput:
        """Return the (pictures or more, rows, anchors) output for (H, W, 3) BGR pictures."""
        outputs: list[RawOutput] = self._session.run(None, {self._input.name: self._input.batch_of(pictures)})
        return outputs[0]

    def _try(self, weights: Path, settings: DetectorSettings) -> None:
        """Run the network once: only its output tells whether its file is what its metadata say."""
        width, height = self._input.size_px
        try:
            output = self._run([np.zeros((height, width, 3), np.uint8)])
        except _runtime_errors() as error:
            raise _unreadable(weights, error, settings) from error
        check_output(output.shape, self._head.metadata, weights)
        if output.dtype not in ELEMENTS.values():
            raise WeightsError(f"the output is of type {output.dtype}, not float", file=weights, mend=EXPORT)


def _picture(fit: Letterbox, frame: Frame) -> U8:
    lying = fit.ready_made(frame.image)
    return fit.apply(frame.image) if lying is None else lying


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """What the network takes: ``fixed_batch`` pictures at once, or any number where that is None."""

    name: str
    size_px: tuple[int, int]
    fixed_batch: int | None
    element: type[np.float32 | np.float16]

    def batch_of(self, pictures: Sequence[U8]) -> NDArray[np.float32 | np.float16]:
        """Return (N, 3, H, W) shares of 1, RGB, of (H, W, 3) BGR pictures; black ones fill a fixed batch up."""
        width, height = self.size_px
        count = self.fixed_batch or len(pictures)
        batch = np.empty((count, 3, height, width), self.element)
        for place, picture in zip(batch, pictures, strict=False):
            # plane by plane: at 640x384 0.4 ms, where cv2.dnn.blobFromImages takes 0.7 ms
            for plane, channel in zip(place, reversed(cv2.split(picture)), strict=True):
                np.multiply(channel, np.float32(1 / 255), out=plane, casting="same_kind")
        batch[len(pictures) :] = 0
        return batch


@dataclass(frozen=True, slots=True)
class CpuThreads:
    """How a processor is shared out: ``runs`` of the network at once, ``within`` threads in each."""

    runs: int
    within: int


def cpu_threads(settings: DetectorSettings, cores: int) -> CpuThreads:
    """Share out ``settings.threads``, or all ``cores``.

    For throughput, runs of one thread each lie side by side, as many as frames are in work at once: on two cores
    yolo11n-pose at 640x384 takes 27 ms a frame so, and 32 ms with both cores in one run. All runs share one pool,
    so the threads beyond the runs' own help whichever run needs them.
    """
    threads = settings.threads or cores
    if settings.performance == "latency":
        return CpuThreads(1, threads)
    runs = min(threads, IN_WORK)
    return CpuThreads(runs, threads - runs + 1)


def batch_of(taken: NetworkInput, provider: str) -> int:
    """Return how many pictures go in at once: those of all cameras on a graphics card, one on a processor.

    A network of a fixed batch takes as many as it was exported for, wherever it runs.
    """
    if taken.fixed_batch is not None:
        return taken.fixed_batch
    return 1 if provider == CPU else CARD_BATCH


def providers_for(settings: DetectorSettings, available: Sequence[str], cache: Path) -> list[Provider]:
    """Return what to compute with, best first; ``cache`` is where TensorRT keeps its engines.

    Raises:
        WeightsError: what the settings ask for is not ``available``.
    """
    chain = {"auto": (CUDA,), "cpu": (), "cuda": (CUDA,), "tensorrt": (TENSORRT, CUDA)}[settings.onnx_provider]
    if settings.onnx_provider in ON_CARDS and not set(chain) <= set(available):
        raise _no_provider(settings)
    options = {
        CUDA: CUDA_OPTIONS,
        TENSORRT: {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(cache)},
    }
    return [*((name, options[name]) for name in chain if name in available), (CPU, {})]


def read_input(session: Any, weights: Path, settings: DetectorSettings) -> NetworkInput:
    """Return what the network takes; a size that its file leaves open is the settings'.

    Raises:
        WeightsError: it takes something else than float pictures.
    """
    first = session.get_inputs()[0]
    shape, element = first.shape, ELEMENTS.get(first.type)
    if len(session.get_inputs()) != 1 or element is None or len(shape) != 4 or shape[1] not in (3, None, "channels"):
        raise WeightsError(
            f"the network takes {first.type} of shape {shape}, not float pictures (batch, 3, height, width)",
            file=weights,
            mend=EXPORT,
        )
    batch, _, height, width = shape
    return NetworkInput(
        first.name,
        (_fixed(width) or settings.width_px, _fixed(height) or settings.height_px),
        _fixed(batch),
        element,
    )


def _fixed(side: int | str | None) -> int | None:
    """Return a side of a shape, or None where the file leaves it open: by a name, or by nothing."""
    return side if isinstance(side, int) and side > 0 else None


def _open(weights: Path, settings: DetectorSettings, digest: str) -> Any:
    """Return the session; raises WeightsError where there is none to be had."""
    runtime = _runtime(weights)
    if CUDA in runtime.get_available_providers() and settings.onnx_provider != "cpu":
        with redirect_stdout(sys.stderr):  # it prints what it does not find
            runtime.preload_dlls()  # CUDA's and cuDNN's libraries, where pip installed them
    providers = providers_for(settings, runtime.get_available_providers(), _engines(digest))
    try:
        session = _session(runtime, weights, settings, providers)
    except _runtime_errors() as error:
        raise _unreadable(weights, error, settings) from error
    if settings.onnx_provider in ON_CARDS and session.get_providers()[0] != providers[0][0]:
        raise _no_provider(settings)
    return session


def _session(runtime: Any, weights: Path, settings: DetectorSettings, providers: Sequence[Provider]) -> Any:
    """Return a session on ``providers``, or on the processor where ``auto`` found a card that then does not work."""
    options = _session_options(runtime, settings, providers[0][0])
    try:
        # its own fallback prints, and goes on where a card was asked for
        return runtime.InferenceSession(weights, options, providers=list(providers), enable_fallback=0)
    except _runtime_errors():
        if settings.onnx_provider != "auto" or providers[0][0] == CPU:
            raise
    return _session(runtime, weights, settings, [(CPU, {})])


def _session_options(runtime: Any, settings: DetectorSettings, provider: str) -> Any:
    """Return the threads, and the sizes of what the file leaves open: graphs of known sizes are planned once.

    TensorRT would build another engine for each number of pictures, so it gets one number.
    """
    options = runtime.SessionOptions()
    options.intra_op_num_threads = cpu_threads(settings, _cores()).within
    sizes = {"height": settings.height_px, "width": settings.width_px}
    if provider != CUDA:
        sizes["batch"] = CARD_BATCH if provider == TENSORRT and settings.performance == "throughput" else 1
    for name, size in sizes.items():
        options.add_free_dimension_override_by_name(name, size)
    return options


def _runtime(weights: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise WeightsError(
            f"{weights.suffix} weights need ONNX Runtime, with or without ultralytics", file=weights, mend=INSTALL
        ) from error
    return onnxruntime


def _runtime_errors() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises at files that it cannot read and networks that it cannot run.

    Its errors have no common base of their own.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (
        state.EPFail, state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoModel,
        state.NoSuchFile, state.NotImplemented, state.RuntimeException,
    )  # fmt: skip
    return (*own, RuntimeError, ValueError)


def _unreadable(weights: Path, error: Exception, settings: DetectorSettings) -> WeightsError:
    reason = " ".join(str(error).split())[-160:]
    asked = settings.onnx_provider in ON_CARDS
    return WeightsError(
        f"ONNX Runtime cannot run the model{f' with {settings.onnx_provider}' if asked else ''}: {reason}",
        file=weights,
        mend=INSTALL_FOR_CARDS if asked else "export it anew, or fetch other weights",
    )


def _no_provider(settings: DetectorSettings) -> WeightsError:
    return WeightsError(
        f"ONNX Runtime has no {settings.onnx_provider} here",
        field="vision.detector.onnx_provider",
        mend=INSTALL_FOR_CARDS,
    )


def _adapter(settings: DetectorSettings) -> str:
    """Return the name for fingerprints. TensorRT rounds to fewer bits than the others, so its tapes are apart."""
    return "onnx-1-tensorrt" if settings.onnx_provider == "tensorrt" else "onnx-1"


def _files(weights: Path) -> list[Path]:
    """Return the model's file, and the one beside it that holds the weights of models exported so."""
    return [path for path in (weights, weights.with_name(f"{weights.name}.data")) if path.exists()]


def _engines(digest: str) -> Path:
    """Return the folder for TensorRT's engines of one model."""
    from platformdirs import user_cache_path

    return user_cache_path("tillfree", appauthor=False) / "tensorrt" / digest


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
