"""`tillfree recording`: make a recording of one's own videos, or check one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from recordings.errors import RecordingError, wrong
from recordings.files import LoadedRecording, LoadedTruth, load_recording, load_truth, write_gate_scans, write_recording
from recordings.model import RecordedCamera, Recording
from store_layout.files import load_store
from store_layout.model import Store
from tillfree.evaluation.scores import check_scans, check_truth
from tillfree.sources.video import NS_PER_S, CameraSource, camera_sources, frames, probe
from vision.people.sync import ClockOffset
from vision.types import Frame

recording_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Make a recording of your own videos, or check one."
)

EPOCH = "1970-01-01T00:00:00+00:00"


@recording_app.command("new")
def new(
    videos: Annotated[
        list[str],
        typer.Argument(help="CAMERA=VIDEO for each camera; a lone VIDEO takes the layout's cameras in order."),
    ],
    layout: Annotated[Path, typer.Option("--layout", help="The store's layout file; it is copied.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    offset: Annotated[
        list[str] | None, typer.Option("--offset", help="CAMERA=MS, added to that camera's own times; may be repeated.")
    ] = None,
    started_at: Annotated[
        str, typer.Option(help="When the recording starts, such as 2026-01-05T09:00:00+01:00.")
    ] = EPOCH,
    name: Annotated[str | None, typer.Option(help="What to call it; the folder's name if left out.")] = None,
    copy: Annotated[bool, typer.Option(help="Copy the videos into the folder rather than link to them.")] = True,
    sync: Annotated[
        bool, typer.Option(help="Find the cameras' clock offsets from people's walks, unless --offset gives any.")
    ] = True,
    sync_for: Annotated[float, typer.Option(min=1, help="Seconds of each video that are watched for that.")] = 120.0,
    weights: Annotated[
        Path | None, typer.Option(help="Pose weights to find people with; searched for as in replay if left out.")
    ] = None,
) -> None:
    """Make a recording of your own videos, and check it.

    Writes recording.yaml, an empty gate_scans.yaml to fill in, and the layout, beside the videos.
    """
    store = load_store(layout)
    chosen = _assign(videos, store, layout)
    offsets, moment = _offsets(offset or [], chosen), _moment(started_at)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise wrong(out, None, "exists already", "name another folder with -o, or remove it")
    sources = _sources(chosen, store)
    for source in sources:
        probe(source)
    if sync and not offset and len(sources) > 1:
        offsets = _clock_offsets(store, sources, weights, sync_for)
    out.mkdir(parents=True, exist_ok=True)
    cameras = tuple(
        RecordedCamera(
            id=camera_id,
            video=_bring(video, camera_id, out, copy),
            offset_ms=offsets.get(camera_id, 0.0),
            times=_times_of(video),
        )
        for camera_id, video in chosen.items()
    )
    _bring_layout(layout, store, out)
    write_recording(out, Recording(version=1, name=name or out.name, started_at=moment, cameras=cameras))
    write_gate_scans(out / "gate_scans.yaml", ())
    check(out)
    Console().print(f"Made {out}. Add the gate scans to {out / 'gate_scans.yaml'}, then: tillfree replay {out} -o RUN")


@recording_app.command("check")
def check(
    recording: Annotated[Path, typer.Argument(help="A recording's folder, or its recording.yaml.")],
    whole: Annotated[bool, typer.Option(help="Decode every frame rather than each camera's first.")] = True,
) -> None:
    """Check a recording: its files against each other and the layout, its truth, and its videos by decoding them."""
    console = Console()
    loaded = load_recording(recording)
    truth = load_truth(loaded.base_dir)
    if truth is not None:
        check_truth(loaded, truth)
        check_scans(loaded, truth)
    console.print(_camera_table(loaded, whole))
    console.print(_summary(loaded, truth))


def _assign(videos: Sequence[str], store: Store, layout: Path) -> dict[str, Path]:
    """Return each camera's video: named ones by their name, lone ones to the layout's other cameras in order."""
    known = [camera.id for camera in store.cameras]
    split = [_camera_and_rest(text, known) for text in videos]
    free = [camera_id for camera_id in known if camera_id not in {named for named, _ in split}]
    chosen: dict[str, Path] = {}
    for named, rest in split:
        if named is None and not free:
            raise wrong(layout, "cameras", f"has {len(known)} cameras for {len(videos)} videos", "add the others to it")
        camera_id = named or free.pop(0)
        path = Path(rest)
        if camera_id in chosen:
            raise wrong(path, None, f"is a second video for camera '{camera_id}'", "give each camera one")
        if not path.exists():
            raise wrong(path, None, "there is no such file", "check the path")
        chosen[camera_id] = path
    return chosen


def _camera_and_rest(text: str, known: Sequence[str]) -> tuple[str | None, str]:
    """Split CAMERA=REST where CAMERA is one of ``known``; otherwise all of it is the rest."""
    head, equals, rest = text.partition("=")
    return (head, rest) if equals and head in known else (None, text)


def _offsets(given: Sequence[str], chosen: dict[str, Path]) -> dict[str, float]:
    offsets: dict[str, float] = {}
    for text in given:
        camera_id, rest = _camera_and_rest(text, list(chosen))
        try:
            value = float(rest)
        except ValueError:
            value = float("nan")
        if camera_id is None or not abs(value) < float("inf"):
            mend = f"write CAMERA=MILLISECONDS with one of: {', '.join(chosen)}"
            raise RecordingError(f"--offset {text} is not understood", mend=mend)
        offsets[camera_id] = value
    return offsets


def _times_of(video: Path) -> Literal["container", "fps"]:
    return "fps" if video.is_dir() else "container"


def _sources(chosen: dict[str, Path], store: Store) -> list[CameraSource]:
    cameras = {camera.id: camera for camera in store.cameras}
    return [
        CameraSource(name, video, cameras[name].resolution_px, cameras[name].fps, _times_of(video), 0, 0)
        for name, video in chosen.items()
    ]


def _clock_offsets(
    store: Store, sources: Sequence[CameraSource], weights: Path | None, limit_s: float
) -> dict[str, float]:
    """Return the offsets in ms that people's walks tell, and say so; none without weights for filmed people."""
    from store_layout.geometry import StoreGeometry
    from tillfree.clocks import estimate
    from vision.detectors import find_weights, load_detector
    from vision.detectors.weights import trained_on_rendered_people
    from vision.settings import VisionSettings

    console, settings, found = Console(), VisionSettings(), find_weights(weights)
    if trained_on_rendered_people(found.path):
        console.print(
            "Clock offsets are not estimated and stay 0 s: that needs pose weights for filmed people; "
            "`tillfree models fetch` gets them, --weights names others, --offset sets offsets by hand.",
            soft_wrap=True,
        )
        return {}
    totals = {source.camera_id: min(probe(source).frames, round(limit_s * source.fps)) for source in sources}

    def watch(pictures: Iterable[Frame], camera_id: str) -> Iterable[Frame]:
        shown = Console(stderr=True)
        return track(pictures, f"clock of {camera_id}", totals[camera_id], console=shown, transient=True)

    detector = load_detector(found.path, settings.detector)
    clocks = estimate(StoreGeometry(store), sources, detector, settings, limit_s, watch)
    for line in _clock_lines(clocks, [source.camera_id for source in sources]):
        console.print(line, soft_wrap=True)
    return {camera_id: round(clock.offset_s * 1000, 1) for camera_id, clock in clocks.items()}


def _clock_lines(clocks: Mapping[str, ClockOffset], camera_ids: Sequence[str]) -> list[str]:
    """Return what is said of each camera's clock, in the cameras' order."""
    first = next(iter(clocks), "")
    lines = []
    for camera_id in camera_ids:
        if len(clocks) > 1 and camera_id == first:
            lines.append(f"clock of {camera_id}: the others are set by it")
        elif len(clocks) > 1 and camera_id in clocks:
            clock = clocks[camera_id]
            lines.append(f"clock of {camera_id}: {clock.offset_s:+.3f} s, give or take {clock.std_s:.2f} s")
        else:
            why = "nobody was seen to walk long enough where another camera saw them too"
            lines.append(f"clock of {camera_id}: cannot be told, stays 0 s ({why})")
    return lines


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        mend = "write it like 2026-01-05T09:00:00+01:00"
        raise RecordingError(f"--started-at {text} is not a time with a zone", mend=mend)
    return moment


def _bring(video: Path, camera_id: str, out: Path, copy: bool) -> str:
    """Copy a video or picture folder into the recording, or link to it; return its path as recording.yaml has it."""
    target = out / f"{camera_id}{'' if video.is_dir() else video.suffix}"
    if not copy:
        target.symlink_to(video.resolve(), target_is_directory=video.is_dir())
    elif video.is_dir():
        shutil.copytree(video, target)
    else:
        shutil.copyfile(video, target)
    return target.name


def _bring_layout(layout: Path, store: Store, out: Path) -> None:
    """Copy the layout and the reference pictures that it names by relative paths."""
    shutil.copyfile(layout, out / "layout.yaml")
    for name in sorted({name for product in store.products for name in product.reference_pictures}):
        source, target = layout.parent / name, out / name
        if source.is_file() and target.resolve().is_relative_to(out.resolve()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _camera_table(loaded: LoadedRecording, whole: bool) -> Table:
    table = Table(title=loaded.recording.name, title_justify="left")
    table.add_column("camera")
    table.add_column("video", overflow="fold")
    for heading in ("pixels", "frames", "from s", "to s", "frames/s"):
        table.add_column(heading, justify="right")
    sources = camera_sources(loaded)
    for source in track(sources, "decoding", console=Console(stderr=True), transient=True) if whole else sources:
        table.add_row(*_camera_row(source, whole))
    return table


def _camera_row(source: CameraSource, whole: bool) -> tuple[str, ...]:
    found = probe(source)
    pixels = "x".join(str(side) for side in found.resolution_px)
    if not whole:
        rate = f"{found.frames / found.duration_s:.2f}" if found.duration_s else "–"
        return (source.camera_id, source.path.name, pixels, f"about {found.frames}", "–", "–", rate)
    count, first_ns, last_ns = 0, 0, 0
    for frame in frames(source):
        first_ns = first_ns if count else frame.captured_at_ns
        count, last_ns = count + 1, frame.captured_at_ns
    rate = f"{(count - 1) * NS_PER_S / (last_ns - first_ns):.2f}" if count > 1 else "–"
    from_s, to_s = (f"{(at_ns - source.started_at_ns) / NS_PER_S:.3f}" for at_ns in (first_ns, last_ns))
    return (source.camera_id, source.path.name, pixels, str(count), from_s, to_s, rate)


def _summary(loaded: LoadedRecording, truth: LoadedTruth | None) -> str:
    store = loaded.store
    slots = sum(len(shelf.slots) for gondola in store.gondolas for shelf in gondola.shelves)
    lines = [
        f"layout: {store.name}, {len(store.gondolas)} gondolas, {slots} slots, {len(store.products)} products",
        f"gate scans: {len(loaded.scans)}",
    ]
    if truth is None:
        lines.append("truth: none; it can be replayed, but not evaluated")
    else:
        boxes = f"boxes of {len(truth.boxes)} cameras, " if truth.boxes else ""
        floor = "floor paths, " if truth.floor is not None else ""
        counts = f"{len(truth.truth.visits)} visits, {len(truth.truth.interactions)} interactions"
        lines.append(f"truth: {boxes}{floor}{counts}")
    return "\n".join([*lines, "all well"])
