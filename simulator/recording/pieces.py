"""Renders pieces of a recording: pictures of all cameras, and who is where in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from simulator.frames import RenderedFrame
from simulator.packaging import build_packaging
from simulator.recording.job import Job, Piece
from simulator.recording.video import PieceWriter
from simulator.renderer import StoreRenderer
from simulator.scenario.play import Play
from simulator.scenario.streams import stream

LEAST_SHARE = 0.04
"""A person of whom less than this is visible has no box in a picture."""


class PieceRenderer:
    """Renders pieces of one job, one after the other, with one renderer."""

    def __init__(self, job: Job, play: Play, folder: Path) -> None:
        self.job, self.play, self.folder = job, play, folder
        geometry = play.geometry
        packaging = build_packaging(play.specs)
        self._renderer = StoreRenderer(geometry.store, geometry, packaging, play.looks, job.settings.render)

    def render(self, piece: Piece) -> None:
        """Render one piece into the folder; a piece that is broken off leaves nothing that counts as done."""
        writers = {camera: self._writer(piece, camera) for camera in self.job.cameras}
        rows: dict[str, list[tuple[float, ...]]] = {camera: [] for camera in self.job.cameras}
        if piece.first > 0:
            # What moved since the picture before smears this one: show the renderer that moment first.
            self._renderer.render(self.play.state((piece.first - 1) / self.job.fps), self.job.cameras[0])
        for index in range(piece.first, piece.end):
            state = self.play.state(index / self.job.fps)
            for camera, writer in writers.items():
                noise = stream(self.job.seed, "noise", camera, index)
                frame = self._renderer.render(state, camera, noise)
                writer.add(frame.image)
                rows[camera] += _rows(frame, index)
        for writer in writers.values():
            writer.close()
        self._write_truth(piece, rows)

    def close(self) -> None:
        """Give the renderer's memory back."""
        self._renderer.close()

    def _writer(self, piece: Piece, camera_id: str) -> PieceWriter:
        camera = self.play.geometry.cameras[camera_id]
        settings = self.job.settings
        size = (camera.width_px, camera.height_px)
        return PieceWriter(piece.video(self.folder, camera_id), size, self.job.fps, settings.crf, settings.preset)

    def _write_truth(self, piece: Piece, rows: dict[str, list[tuple[float, ...]]]) -> None:
        columns = 2 + 4 + 1 + 51
        arrays = {camera: np.array(found, np.float64).reshape(-1, columns) for camera, found in rows.items()}
        unfinished = piece.truth(self.folder).with_suffix(".part")
        with unfinished.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        unfinished.rename(piece.truth(self.folder))


def _rows(frame: RenderedFrame, index: int) -> list[tuple[float, ...]]:
    """Frame from 1, person, left, top, width, height, visible share and keypoints of everybody in the picture."""
    rows = []
    for person in sorted(frame.people, key=lambda person: person.person):
        box = person.box_xyxy_px
        if box is None or person.visible_share < LEAST_SHARE:
            continue
        ltwh = (box[0], box[1], box[2] - box[0], box[3] - box[1])
        points = tuple(float(value) for value in person.keypoints_px.ravel())
        rows.append((float(index + 1), float(person.person), *ltwh, person.visible_share, *points))
    return rows
