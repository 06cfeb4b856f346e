"""What it costs the pipeline that somebody looks at the dashboard.

Part ``pipeline`` of ``whole.py``. It runs the live pipeline over the bundled four-camera recording, every frame detected in and as fast as the machine can, with the dashboard
served: in each round once with nobody there and once with three clients. These read the live socket as the page does, all cameras, in a process of their own on the same
cores; they decode no pictures, since browsers mostly run elsewhere. ``pipeline_share_kept`` is the median over the rounds of the watched rate over the
unwatched one (at least 0.90). ``tiles_encoded_per_shown`` is how many pictures were encoded for each that all three got (1 where each is encoded once).
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from websockets.sync.client import connect

from benchmarks.billing_load.processes import free_port
from benchmarks.driving import WARM_UP, drive
from billing.access import Access
from billing.store import BillingStore
from checkout.checkout import Checkout
from dashboard.app import create_app
from dashboard.desk import Desk
from dashboard.live.hub import Hub
from dashboard.roles import SCOPES, Role
from dashboard.web import SESSION_COOKIE
from recordings.files import LoadedRecording, load_recording
from store_layout.geometry import StoreGeometry
from tillfree.billers import BillAtOnce
from tillfree.bootstrap import open_billing
from tillfree.eventlog import EventLogWriter
from tillfree.live.tap import LiveTap
from tillfree.prices import price_book
from tillfree.replay import gate_scans
from tillfree.run import StoreRun
from tillfree.serving import ServerThread
from tillfree.settings import load_settings
from tillfree.sources.video import one_thread_a_picture
from tillfree.system import steady_clock, system_clock
from vision.detectors import Detector, find_weights, load_detector
from vision.pipeline import FloorStage, PixelStage
from vision.shelves import load_references

REPO = Path(__file__).resolve().parent.parent.parent
RECORDING = REPO / "sample_videos" / "four-crossing"
CLIENTS = 3
KEPT_MIN = 0.90
PASSWORD = "a sentence for a benchmark"


@dataclass(frozen=True, slots=True)
class Served:
    """A dashboard that is served, and a session of it."""

    hub: Hub
    tap: LiveTap
    url: str
    session: str


def look(url: str, session: str, cameras: list[str], line: Connection) -> None:
    """Read the live socket with ``CLIENTS`` clients until told to stop, and tell how many pictures each got."""
    stopped = threading.Event()
    counts = [0] * CLIENTS

    def read(number: int) -> None:
        headers = {"Cookie": f"{SESSION_COOKIE}={session}"}
        address = url.replace("http", "ws", 1) + "/v1/live"
        with connect(address, origin=url, additional_headers=headers, max_size=None) as socket:  # type: ignore[arg-type]
            socket.send(json.dumps({"watch": cameras}))
            while not stopped.is_set():
                try:
                    counts[number] += isinstance(socket.recv(timeout=0.2), bytes)
                except TimeoutError:
                    continue

    threads = [threading.Thread(target=read, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    line.recv()
    stopped.set()
    for thread in threads:
        thread.join()
    line.send(counts)


def serve(loaded: LoadedRecording, geometry: StoreGeometry, folder: Path, stack: ExitStack) -> Served:
    """Serve a dashboard with one person who may look."""
    store = BillingStore(folder / "operators.sqlite")
    stack.callback(store.close)
    access, hub, port = Access(store), Hub(clock=steady_clock()), free_port()
    stack.callback(hub.close)
    access.add_operator("anna", PASSWORD, SCOPES[Role.VIEWER], system_clock())
    session, _ = access.sign_in("anna", PASSWORD, system_clock())
    url = f"http://127.0.0.1:{port}"
    server = ServerThread(
        create_app(Desk(loaded.store.name, url, access, geometry, hub, system_clock)), "127.0.0.1", port
    )
    server.start()
    stack.callback(server.stop)
    return Served(hub, LiveTap(hub, geometry), url, session)


def run_once(
    loaded: LoadedRecording, detector: Detector, geometry: StoreGeometry, served: Served, count: int
) -> dict[str, float]:
    """Run the pipeline over ``count`` frames."""
    settings = load_settings(loaded.settings_path)
    vision = settings.vision.model_copy(update={"motion": settings.vision.motion.model_copy(update={"use": "never"})})
    book = price_book(loaded.store, None)
    with (
        tempfile.TemporaryDirectory() as out,
        one_thread_a_picture(),
        open_billing(book, Path(out) / "b", Path(out) / "s", settings.billing) as billing,
        (Path(out) / "events.jsonl").open("w", encoding="utf-8") as log,
    ):
        floor = FloorStage(geometry, vision, load_references(loaded.store, loaded.layout_path.parent))
        checkout, writer = Checkout(settings.checkout, loaded.store), EventLogWriter(log)
        run = StoreRun(floor, checkout, BillAtOnce(billing), writer, gate_scans(loaded), keep_paths=False)
        stage = PixelStage(detector, geometry, vision, live=True)
        return drive(loaded, stage, run, count, WARM_UP, (served.tap,))


def watched(
    loaded: LoadedRecording, detector: Detector, geometry: StoreGeometry, served: Served, count: int
) -> dict[str, float]:
    """Run the pipeline with clients that look, and say how many pictures they got and were encoded for them."""
    ours, theirs = multiprocessing.Pipe()
    cameras = list(geometry.cameras)
    context = multiprocessing.get_context("spawn")
    clients = context.Process(target=look, args=(served.url, served.session, cameras, theirs))
    clients.start()
    pause = threading.Event()
    while served.hub.watchers(cameras[0]) < CLIENTS:
        pause.wait(0.05)
    before = served.hub.counts().encoded
    found = run_once(loaded, detector, geometry, served, count)
    encoded = served.hub.counts().encoded - before
    ours.send("stop")
    shown = ours.recv()
    clients.join()
    return found | {"encoded": encoded, "shown_least": min(shown), "shown_most": max(shown)}


def measure(rounds: int, count: int) -> dict[str, object]:
    """Return the rounds and what they come to; every second round begins with the watched one."""
    loaded = load_recording(RECORDING)
    geometry = StoreGeometry(loaded.store)
    vision = load_settings(loaded.settings_path).vision
    detector = load_detector(find_weights(None, None).path, vision.detector, things_of=())
    found: list[dict[str, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        served = serve(loaded, geometry, Path(folder), stack)
        for number in range(rounds):
            ways = [("unwatched", run_once), ("watched", watched)]
            each = {
                name: way(loaded, detector, geometry, served, count) for name, way in ways[:: -1 if number % 2 else 1]
            }
            found.append(each)
            print(
                f"round {number + 1} of {rounds}: unwatched {each['unwatched']['rate']:.1f}, watched {each['watched']['rate']:.1f} frames/s",
                flush=True,
            )
    shares = [each["watched"]["rate"] / each["unwatched"]["rate"] for each in found]
    encoded = [each["watched"]["encoded"] / max(1.0, each["watched"]["shown_most"]) for each in found]
    return {
        "pipeline_share_kept": statistics.median(shares),
        "pipeline_share_kept_rounds": shares,
        "tiles_encoded_per_shown": statistics.median(encoded),
        "clients": CLIENTS,
        "rounds": found,
    }


def judged(found: dict[str, object]) -> list[str]:
    """Return which limits are missed."""
    kept = found["pipeline_share_kept"]
    assert isinstance(kept, float)
    print(f"pipeline_share_kept {kept:.3f} (at least {KEPT_MIN})")
    return [f"pipeline_share_kept: {kept:.3f}, to be at least {KEPT_MIN}"] if kept < KEPT_MIN else []
