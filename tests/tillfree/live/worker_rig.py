"""A bundled recording in a store of real processes: two vision workers and a coordinator, with a broker between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import yaml

from billing.store import BillingStore
from billing.types import LineKind
from checkout.types import ReviewOpened, VisitOpened
from recordings.files import load_recording
from tests.tillfree.live.camera_rig import REPO
from tests.tillfree.live.walking_store import free_port
from tillfree.live.books import DATABASE
from tillfree.live.history import restored_events

WORKERS = {"left": ["cam1", "cam2"], "right": ["cam3", "cam4"]}


class SplitProcesses:
    """Store files in ``place``, one a process, since each has a line of its own to the broker."""

    def __init__(self, place: Path, recording: Path, urls: dict[str, str]) -> None:
        """``urls`` are those of ``coordinator`` and of each worker."""
        self.place, self.recording, self.data = place, recording, place / "data"
        self.running: dict[str, subprocess.Popen[str]] = {}
        loaded = load_recording(recording)
        document = {
            "version": 1,
            "layout": str(loaded.layout_path.resolve()),
            "data": str(self.data),
            "cameras": [{"id": camera, "source": str(path.resolve())} for camera, path in loaded.paths.items()],
            "absent": [camera.id for camera in loaded.store.cameras if camera.id not in loaded.paths],
            "listen": {"port": free_port()},
            "workers": WORKERS,
        }
        for name, url in urls.items():
            text = yaml.safe_dump({**document, "broker": {"url": url, "store": "shop"}})
            (place / f"{name}.yaml").write_text(text, encoding="utf-8")

    def start_worker(self, name: str) -> None:
        self._start(name, "vision-worker", "--worker", name)

    def start_coordinator(self, *words: str) -> None:
        self._start("coordinator", "run", *words)

    def kill(self, name: str) -> None:
        process = self.running[name]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def said(self, name: str) -> str:
        file = self.place / f"{name}.txt"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def ended(self, name: str, within_s: float) -> None:
        """Wait for a process, which must end well."""
        code = self.running[name].wait(within_s)
        assert code == 0, f"{name} ended with {code}: {self.said(name)[-2_000:]}"

    def end_all(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
                process.wait()

    def passed_s(self) -> float:
        """Return how many seconds of the recording the coordinator has dealt with."""
        try:
            now_ns = int((self.data / "taken.mark").read_bytes().split()[0])
        except (FileNotFoundError, IndexError):
            return 0.0
        return (now_ns - self._start_ns()) / 1e9

    def receipts(self) -> dict[str, dict[str, int]]:
        """Return what each card was charged for."""
        events = list(restored_events(self.data / "events"))
        tokens = {event.visit_id: event.token for event in events if isinstance(event, VisitOpened)}
        with closing(BillingStore(self.data / DATABASE)) as books, books.reading() as opened:
            return {
                tokens[receipt.visit_id]: {
                    line.sku: line.quantity for line in receipt.lines if line.kind is LineKind.PRODUCT
                }
                for receipt in opened.all_receipts()
            }

    def expected(self) -> dict[str, dict[str, int]]:
        """Return what a replay in one process charges (``tests/tillfree/test_replay_samples.py`` holds it to that)."""
        told = json.loads((self.recording / "expected.json").read_text(encoding="utf-8"))
        return {
            receipt["token"]: {line["sku"]: line["quantity"] for line in receipt["lines"]}
            for receipt in told["receipts"]
        }

    def reviewed(self) -> set[str]:
        """Return the cards whose visits an operator was asked about."""
        events = list(restored_events(self.data / "events"))
        tokens = {event.visit_id: event.token for event in events if isinstance(event, VisitOpened)}
        return {tokens[visit] for event in events if isinstance(event, ReviewOpened) for visit in event.visit_ids}

    def _start_ns(self) -> int:
        for name in ("in-step.json", "as-live.json"):
            if (self.data / name).exists():
                return int(json.loads((self.data / name).read_text(encoding="utf-8"))["start_ns"])
        return 1 << 62

    def _start(self, name: str, *words: str) -> None:
        command = [sys.executable, "-m", "tillfree", words[0], str(self.place / f"{name}.yaml"), *words[1:]]
        with (self.place / f"{name}.txt").open("a", encoding="utf-8") as out:
            self.running[name] = subprocess.Popen(
                [*command, "--as-live", str(self.recording)],
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=REPO,
                env=os.environ | {"PYTHONPATH": str(REPO)},
            )
