from pathlib import Path

import av
import numpy as np
import pytest
import yaml

from recordings.files import load_recording
from recordings.truth import load_truth
from simulator.recording.job import Job, pieces_of
from simulator.recording.settings import RecordingSettings
from simulator.recording.video import PieceWriter, join_pieces
from simulator.recording.writer import WORK_FOLDER, write_job
from simulator.scenario.director import compile_scenario
from simulator.scenario.errors import ScenarioError
from simulator.scenario.files import load_scenario


def frames(file: Path) -> list[np.ndarray]:
    with av.open(str(file)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def grey(level: int) -> np.ndarray:
    return np.full((48, 64, 3), level, np.uint8)


def test_pieces_join_without_a_seam(tmp_path: Path) -> None:
    levels = [list(range(20, 120, 10)), list(range(120, 190, 10)), [200]]
    pieces = []
    first = 0
    for number, part in enumerate(levels):
        writer = PieceWriter(tmp_path / f"{number}.mp4", (64, 48), 10.0, 12, "fast")
        for level in part:
            writer.add(grey(level))
        writer.close()
        pieces.append((tmp_path / f"{number}.mp4", first))
        first += len(part)
    join_pieces(pieces, tmp_path / "all.mp4", 10.0)
    with av.open(str(tmp_path / "all.mp4")) as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert np.allclose(times, np.arange(first) / 10)
    shown = [float(picture.mean()) for picture in frames(tmp_path / "all.mp4")]
    assert np.allclose(shown, [level for part in levels for level in part], atol=4)


def small_job(repo_dir: Path, folder: Path) -> Job:
    """Six seconds of one shopper seen by one camera, at a quarter of the size."""
    folder.mkdir(exist_ok=True)
    store = yaml.safe_load((repo_dir / "sample_videos" / "store" / "layout.yaml").read_text(encoding="utf-8"))
    store["cameras"] = store["cameras"][:1]
    store["cameras"][0] |= {"resolution_px": [160, 90], "focal_px": 112}
    for product in store["products"]:
        product.pop("reference_pictures")
    scenario = {
        "version": 1, "name": "small", "layout": "layout.yaml", "seed": 3, "duration_s": 6.0,
        "shoppers": [{"id": "a", "token": "t", "script": [{"enter": {"gate": "main", "at_s": 0}}, {"mark": "in"}]}],
    }  # fmt: skip
    (folder / "layout.yaml").write_text(yaml.safe_dump(store), encoding="utf-8")
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    loaded = load_scenario(folder / "scenario.yaml")
    settings = RecordingSettings(chunk_s=1.0)
    return Job(loaded, 3, ("cam1",), settings)


@pytest.mark.egl
@pytest.mark.slow
def test_a_broken_off_recording_goes_on_and_ends_the_same(repo_dir: Path, tmp_path: Path) -> None:
    job = small_job(repo_dir, tmp_path / "in")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    write_job(job, whole)

    class Off(Exception):
        pass

    def break_off(done: int, total: int) -> None:
        if done >= total / 2:
            raise Off

    with pytest.raises(Off):
        write_job(job, broken, progress=break_off)
    kept = sorted((broken / WORK_FOLDER).glob("*.npz"))
    assert 0 < len(kept) < 6
    stamps = [file.stat().st_mtime_ns for file in kept]
    starts: list[int] = []
    calls = []

    def note(done: int, total: int) -> None:
        if not starts:
            starts.append(done)
            calls.extend(file.stat().st_mtime_ns for file in kept)

    write_job(job, broken, progress=note)
    assert starts[0] == len(kept) * 10
    assert calls == stamps
    loaded = load_recording(broken)
    assert [item.id for item in loaded.recording.cameras] == ["cam1"]
    assert loaded.recording.rendered
    truth = load_truth(broken)
    assert truth is not None
    assert len(truth.boxes["cam1"]) == len(truth.keypoints["cam1"])
    for name in ("truth/truth.json", "truth/boxes/cam1.txt", "truth/floor.txt", "gate_scans.yaml", "recording.yaml"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes()
    assert len(frames(broken / "videos" / "cam1.mp4")) == 60
    with pytest.raises(ScenarioError, match="holds a recording already"):
        write_job(job, broken)


def test_pieces_of_another_version_are_refused(repo_dir: Path, tmp_path: Path) -> None:
    job = small_job(repo_dir, tmp_path / "in")
    other = Job(job.loaded, 4, job.cameras, job.settings)
    assert job.fingerprint != other.fingerprint
    assert [(piece.first, piece.end) for piece in pieces_of(job, compile_scenario(job.loaded))][-1] == (50, 60)
    out = tmp_path / "out"
    (out / WORK_FOLDER).mkdir(parents=True)
    (out / WORK_FOLDER / "fingerprint.json").write_text('{"fingerprint": "of something else"}', encoding="utf-8")
    with pytest.raises(ScenarioError, match="another scenario"):
        write_job(job, out)
