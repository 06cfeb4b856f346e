"""H.264 in mp4: pieces that are encoded apart and joined without encoding again."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

U8 = NDArray[np.uint8]


class PieceWriter:
    """Encodes pictures into one piece: a closed group of pictures, without B-frames, so that pieces can be joined.

    One thread, so that the same pictures give the same bytes.
    """

    def __init__(self, file: Path, size_px: tuple[int, int], fps: float, crf: int, preset: str) -> None:
        self._container = av.open(str(file), "w", format="mp4")
        rate = Fraction(fps).limit_denominator(1001)
        options = {"crf": str(crf), "preset": preset, "x264-params": "threads=1:open-gop=0:bframes=0:keyint=60"}
        stream: VideoStream = self._container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height = size_px
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = 1 / rate
        self._stream = stream
        self._count = 0

    def add(self, image: U8) -> None:
        """Encode one picture, uint8 (H, W, 3) BGR."""
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts = self._count
        frame.time_base = self._stream.codec_context.time_base
        self._count += 1
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the piece."""
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()


def join_pieces(pieces: Sequence[tuple[Path, int]], file: Path, fps: float) -> None:
    """Write the packets of ``pieces`` (file, first picture) one after the other into ``file``."""
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(file), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        target: VideoStream | None = None
        for piece, first in pieces:
            with av.open(str(piece)) as source:
                stream = source.streams.video[0]
                if target is None:
                    target = out.add_stream_from_template(stream)
                    target.time_base = 1 / rate
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    assert stream.time_base is not None
                    index = first + round(Fraction(packet.pts or 0) * stream.time_base * rate)
                    packet.stream = target
                    packet.time_base = 1 / rate
                    packet.pts = packet.dts = index
                    packet.duration = 1
                    out.mux(packet)
