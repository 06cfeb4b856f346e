"""The detection tape: all that pixels gave, frame by frame, so that the rest replays without the video.

File layout: the line ``TILLFREE-TAPE 4``, one line of JSON (the fingerprint), then a record a
frame: four bytes of length (big-endian), then that many bytes of zlib data holding one line of
JSON (what arrays follow) and the arrays' bytes. A record of length 0 ends a complete tape, so a
broken-off one is known as such.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from store_layout.errors import InputError
from vision.types import Detections, Observation, SlotViews

MAGIC = b"TILLFREE-TAPE 4\n"
_LENGTH = struct.Struct(">I")
_COMPRESSION_LEVEL = 3  # patches are photographs: higher levels cost time and save little
_DETECTION_ARRAYS = ("boxes_xyxy_px", "scores", "hands_px", "keypoints_px", "appearance")
_VIEW_ARRAYS = ("slot_indices", "visible", "hidden", "patches", "hidden_by")
_THINGS = "things"
"""What else than people was detected is kept with the slots that it lies in, and not a second time."""


class TapeError(InputError):
    """A tape that is damaged, incomplete, or of other pixels. The message names the file."""


def _pack(arrays: dict[str, NDArray[Any] | None], head: dict[str, Any], level: int) -> bytes:
    present = {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}
    head["arrays"] = [[name, array.dtype.str, list(array.shape)] for name, array in present.items()]
    body = b"".join(array.tobytes() for array in present.values())
    return zlib.compress(json.dumps(head, separators=(",", ":")).encode() + b"\n" + body, level)


def _unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    raw = zlib.decompress(data)
    line, _, body = raw.partition(b"\n")
    head = json.loads(line)
    arrays: dict[str, NDArray[Any]] = {}
    at = 0
    for name, dtype, shape in head["arrays"]:
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(body, np.dtype(dtype), count, at).reshape(shape)
        at += arrays[name].nbytes
    return head, arrays


def encode_observation(observation: Observation, level: int = _COMPRESSION_LEVEL) -> bytes:
    """Return an observation as a record's bytes, compressed by zlib's ``level``."""
    found, views = observation.detections, observation.slot_views
    arrays: dict[str, NDArray[Any] | None] = {name: getattr(found, name) for name in _DETECTION_ARRAYS}
    arrays |= {name: getattr(views, name) for name in (*_VIEW_ARRAYS, _THINGS)}
    head = {"camera": found.camera_id, "index": found.frame_index, "at_ns": found.captured_at_ns}
    return _pack(arrays, head, level)


def decode_observation(data: bytes) -> Observation:
    """Return the observation of a record's bytes.

    Raises:
        zlib.error, ValueError, KeyError: they are damaged.
    """
    head, arrays = _unpack(data)
    camera, index, at_ns = head["camera"], head["index"], head["at_ns"]
    boxes, scores, hands = (arrays[name] for name in _DETECTION_ARRAYS[:3])
    found = Detections(camera, index, at_ns, boxes, scores, hands, arrays.get("keypoints_px"), arrays.get("appearance"))
    slots, visible, hidden, patches, hidden_by = (arrays[name] for name in _VIEW_ARRAYS)
    views = SlotViews(camera, index, at_ns, slots, visible, hidden, patches, hidden_by, arrays.get(_THINGS))
    return Observation(found, views)


class TapeWriter:
    """Writes a tape beside its final name and moves it there once it is complete."""

    def __init__(self, path: Path, fingerprint: dict[str, str]) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.{os.getpid()}.part")  # two runs may write the same tape at once
        self._fingerprint = fingerprint
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._stream = self._part.open("wb")
        self._stream.write(MAGIC + json.dumps(self._fingerprint, sort_keys=True).encode() + b"\n")
        return self

    def write(self, observation: Observation) -> None:
        """Append one frame's observation."""
        assert self._stream is not None, "a tape is written inside its with block"
        data = encode_observation(observation)
        self._stream.write(_LENGTH.pack(len(data)) + data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._stream is not None
        if kind is None:
            self._stream.write(_LENGTH.pack(0))
        self._stream.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def read_fingerprint(path: Path) -> dict[str, str]:
    """Return what the tape says it was made of.

    Raises:
        TapeError: the file is no tape, or one of another version.
    """
    try:
        with path.open("rb") as stream:
            if stream.readline(64) != MAGIC:
                raise TapeError(f"{path}: no tape of this version; remove it and replay from the video")
            fingerprint: dict[str, str] = json.loads(stream.readline())
            return fingerprint
    except (OSError, ValueError) as error:
        raise TapeError(f"{path}: cannot be read ({error}); remove it and replay from the video") from error


def read_tape(path: Path) -> Iterator[Observation]:
    """Yield a tape's observations.

    Raises:
        TapeError: the tape is damaged or ends early.
    """
    read_fingerprint(path)
    broken = f"{path}: the tape ends early or is damaged; remove it and replay from the video"
    with path.open("rb") as stream:
        stream.readline()
        stream.readline()
        while True:
            head = stream.read(_LENGTH.size)
            if len(head) < _LENGTH.size:
                raise TapeError(broken)
            (length,) = _LENGTH.unpack(head)
            if length == 0:
                return
            try:
                yield decode_observation(stream.read(length))
            except (zlib.error, ValueError, KeyError) as error:
                raise TapeError(broken) from error


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, or of a folder's files in name order."""
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    for each in files:
        with each.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
