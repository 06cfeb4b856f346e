"""Hours of a store that plays a recording in a loop: does its memory stay flat, and is every visit billed once?

    python benchmarks/soak.py --minutes 120 --json FILE

runs ``tillfree run --as-live --loop`` as a process, with embedded billing, evidence and health, and reads its memory, open
files and threads out of /proc every few seconds. Samples are appended to FILE with ``.samples.jsonl`` for its suffix as they
are taken, so a soak that was cut off still says how long it was: ``--report SAMPLES``. A plot lies beside it as ``.png``. At
the end the store is told to stop, runs once more to the recording's end, which closes the visits that were open, and what it
wrote is held against each other as after kills.

*Flat* is what grew by less than 5 %: the median of the last window against the median of the window that begins ten minutes
after the start. A window is as long as needed for whole rounds of the recording, a minute at least, since memory breathes with who is in
the store. Resident memory and its anonymous part, which is what the process itself has asked for, both have to be flat; private memory (USS)
is only told, since libraries count in it or not with what else runs on the machine. Of open files and threads the fewest in each window are
compared, as a clip that is being made opens some. Where a soak has no two such windows, nothing is said.

Ends with 1 where memory is not flat, files or threads became more, the store ended by itself, or the books disagree. Linux only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.live_store import RECORDING, Store, compared_books
from recordings.files import load_recording
from tillfree.live.recorded import length_ns

GROWTH_MAX = 0.05
SETTLED_S = 600.0
"""s after the start from which memory has to be flat."""
LEAST_WINDOW_S = 60.0
LAST_RUN_S = 600.0
END_S = 120.0
MIB = 1024 * 1024
MEMORY, COUNTS = ("rss", "pss", "uss", "anonymous"), ("fds", "threads", "children")


@dataclass(frozen=True, slots=True)
class Sample:
    """What /proc says of the store's process. Memory in bytes, ``seconds`` since the start, ``cpu_s`` of all threads."""

    seconds: float
    rss: int
    pss: int
    uss: int
    anonymous: int
    fds: int
    threads: int
    children: int
    cpu_s: float
    log_bytes: int


@dataclass(frozen=True, slots=True)
class Growth:
    """Of one quantity: the medians of the two windows, by which share it grew, and the least-squares slope between them."""

    first: float
    last: float
    share: float
    per_hour: float


def sampled(pid: int, seconds: float, log_bytes: int) -> Sample:
    """Read one sample. Raises OSError where the process has ended."""
    proc = Path("/proc") / str(pid)
    kib = _kib((proc / "smaps_rollup").read_text(encoding="ascii"))
    fields = (proc / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return Sample(
        round(seconds, 3),
        kib["Rss"] * 1024,
        kib["Pss"] * 1024,
        (kib["Private_Clean"] + kib["Private_Dirty"]) * 1024,
        kib["Anonymous"] * 1024,
        len(list((proc / "fd").iterdir())),
        int(fields[17]),
        len((proc / "task" / str(pid) / "children").read_text(encoding="ascii").split()),
        (int(fields[11]) + int(fields[12])) / ticks,
        log_bytes,
    )


def _kib(rollup: str) -> Mapping[str, int]:
    rows = (line.split() for line in rollup.splitlines() if line.endswith(" kB"))
    return {row[0].rstrip(":"): int(row[1]) for row in rows}


def growth(samples: list[Sample], name: str, window_s: float) -> Growth | None:
    """Compare the end with the first window after ten minutes; None where the two would overlap."""
    end_s = samples[-1].seconds if samples else 0.0
    if end_s < SETTLED_S + 2 * window_s:
        return None
    after = [(each.seconds, getattr(each, name)) for each in samples if each.seconds >= SETTLED_S]
    typical = min if name in COUNTS else statistics.median
    first = typical(value for at_s, value in after if at_s < SETTLED_S + window_s)
    last = typical(value for at_s, value in after if at_s >= end_s - window_s)
    slope = statistics.linear_regression(*zip(*after, strict=True)).slope
    return Growth(first, last, last / first - 1 if first else 0.0, slope * 3_600)


def window_s(round_s: float) -> float:
    """Return how long a window is: whole rounds, and a minute at least."""
    return round_s * math.ceil(LEAST_WINDOW_S / round_s)


def judged(samples: list[Sample], round_s: float) -> tuple[dict[str, object], list[str]]:
    """Return what is to be reported of samples, and what is wrong."""
    grown = {name: growth(samples, name, window_s(round_s)) for name in MEMORY + COUNTS}
    wrong = [
        f"{name} grew by {found.share:.1%}, at most {GROWTH_MAX:.0%}"
        for name in ("rss", "anonymous")
        if (found := grown[name]) is not None and found.share >= GROWTH_MAX
    ]
    wrong += [
        f"{name}: {found.first:g} became {found.last:g}"
        for name in COUNTS
        if (found := grown[name]) is not None and found.last > found.first
    ]
    last = samples[-1] if samples else None
    return {
        "minutes": round(last.seconds / 60, 2) if last else 0,
        "round_s": round(round_s, 3),
        "window_s": round(window_s(round_s), 3),
        "samples": len(samples),
        "rss_mib_max": round(max((each.rss for each in samples), default=0) / MIB, 1),
        "cores_used": round(last.cpu_s / last.seconds, 3) if last and last.seconds else None,
        "growth": {name: None if found is None else _told(name, found) for name, found in grown.items()},
    }, wrong


def _told(name: str, found: Growth) -> dict[str, float]:
    """Return a growth for the report; memory in MiB."""
    unit = 1 if name in COUNTS else MIB
    return {
        "first": round(found.first / unit, 2),
        "last": round(found.last / unit, 2),
        "share": round(found.share, 4),
        "per_hour": round(found.per_hour / unit, 3),
    }


def soak(store: Store, minutes: float, every_s: float, words: list[str], file: Path) -> list[str]:
    """Run the store for so long, appending samples to ``file``; return what is wrong."""
    process = store.start("--loop", *words)
    try:
        return _watch(store, process, minutes * 60, every_s, file)
    finally:
        process.kill()  # nothing happens where it has ended
        process.wait()


def _watch(store: Store, process: subprocess.Popen[str], for_s: float, every_s: float, file: Path) -> list[str]:
    began_s = time.monotonic()  # noqa: TID251 - a benchmark
    with file.open("w", encoding="utf-8") as out:
        while (now_s := time.monotonic() - began_s) < for_s:  # noqa: TID251
            if process.poll() is not None:
                return [f"the store ended by itself after {now_s:.0f} s: {store.said()}"]
            sample = sampled(process.pid, now_s, store.log_bytes())
            out.write(json.dumps(asdict(sample)) + "\n")
            out.flush()
            _progress(sample, for_s)
            time.sleep(every_s)  # noqa: TID251
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(END_S)
    except subprocess.TimeoutExpired:
        return [f"it had not ended {END_S:.0f} s after SIGTERM"]
    return [] if code == 0 else [f"told to stop it ended with {code}: {store.said()}"]


def _progress(sample: Sample, for_s: float) -> None:
    print(
        f"\r{sample.seconds / 60:6.1f} of {for_s / 60:g} min, {sample.rss / MIB:6.1f} MiB resident, "
        f"{sample.anonymous / MIB:6.1f} anonymous, {sample.fds} files, {sample.threads} threads ",
        end="",
        file=sys.stderr,
        flush=True,
    )


def ended(store: Store, words: list[str]) -> list[str]:
    """Run the store to the recording's end, which closes all visits; return what is wrong."""
    last = store.start(*words)
    try:
        code = last.wait(LAST_RUN_S)
    except subprocess.TimeoutExpired:
        last.kill()
        last.wait()
        return [f"the last run had not ended after {LAST_RUN_S:.0f} s"]
    return [] if code == 0 else [f"the last run ended with {code}: {store.said()}"]


def read_samples(file: Path) -> list[Sample]:
    """Read samples, but for a last line that was cut."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    return [Sample(**json.loads(line)) for line in lines if line.endswith("\n")]


def plot(samples: Iterable[Sample], file: Path) -> None:
    """Draw memory over time."""
    from matplotlib.figure import Figure

    rows = list(samples)
    minutes = [each.seconds / 60 for each in rows]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for name, label in (("rss", "resident"), ("anonymous", "anonymous")):
        axes.plot(minutes, [getattr(each, name) / MIB for each in rows], label=label, linewidth=1)
    axes.axvline(SETTLED_S / 60, color="grey", linestyle=":", linewidth=1)
    axes.set_xlabel("minutes")
    axes.set_ylabel("MiB")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(file, dpi=110)


def main() -> int:
    """Run the benchmark, or report of a soak that was cut off."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--every-s", type=float, default=5.0, help="s between samples")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--recording", type=Path, default=RECORDING)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--report", type=Path, metavar="SAMPLES", help="run nothing: report of these samples")
    given = parser.parse_args()
    result = reported(given) if given.report is not None else soaked(given)
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if given.json is not None:
        given.json.write_text(text, encoding="utf-8")
    return 1 if result["wrong"] else 0


def round_of(given: argparse.Namespace) -> float:
    """Return how many s a round of the recording takes."""
    return length_ns(load_recording(given.recording)) / 1e9 / given.speed


def reported(given: argparse.Namespace) -> dict[str, object]:
    """Report of a file of samples alone: nothing is said of the books."""
    samples = read_samples(given.report)
    plot(samples, given.report.with_suffix(".png"))
    found, wrong = judged(samples, round_of(given))
    return {**found, "wrong": wrong}


def soaked(given: argparse.Namespace) -> dict[str, object]:
    """Run a soak and report of it."""
    words = [] if given.speed == 1.0 else ["--speed", str(given.speed)]
    with TemporaryDirectory(prefix="tillfree-soak-") as place:
        store = Store(Path(place), given.recording)
        base = Path(place) / "soak.json" if given.json is None else given.json
        file = base.with_suffix(".samples.jsonl")
        wrong = soak(store, given.minutes, given.every_s, words, file)
        print(file=sys.stderr)
        said = store.said(1)
        samples = read_samples(file)
        plot(samples, base.with_suffix(".png"))
        found, not_flat = judged(samples, round_of(given))
        wrong += not_flat
        wrong += ended(store, words)
        books = compared_books(store)
    counts = {"visits": books.visits, "receipts": books.receipts, "charges": books.charges}
    return {**found, **counts, "said_last": said, "wrong": [*wrong, *books.wrong]}


if __name__ == "__main__":
    sys.exit(main())
