"""`tillfree samples`: public films of real people, fetched by address and checked by SHA-256.

They are videos of one camera each, without truth, layout or calibration: to look at what the
detectors and trackers make of filmed people. The recordings that replay to receipts are bundled.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from recordings.errors import RecordingError
from tillfree.errors import NotAsExpected, OutOfReach

samples_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Fetch public films of real people.")

TIMEOUT_S = 30
"""How long a server may say nothing; below it, slow links of a few kB a second still get through."""
CHUNK_BYTES = 1 << 16

INTEL = "https://raw.githubusercontent.com/intel-iot-devkit/sample-videos/"
OPENCV = "https://raw.githubusercontent.com/opencv/opencv/4.12.0/samples/data/"
CC_BY = "CC BY 4.0, Intel Corporation"


@dataclass(frozen=True, slots=True)
class Sample:
    """A public video: where it is, what it must be, and on which terms."""

    name: str
    address: str
    sha256: str
    size_bytes: int
    licence: str
    what: str

    @property
    def file_name(self) -> str:
        """The name under which it is stored."""
        return self.address.rsplit("/", 1)[-1]


SAMPLES = (
    Sample(
        name="one-by-one",
        address=INTEL + "57978890822836f2b4743852f04f62fc511757e4/one-by-one-person-detection.mp4",
        sha256="a5964aa259099a482a8b360ffc2c57b5a30f84d5919236a4dad01f8e929ac07c",
        size_bytes=3_291_918,
        licence=CC_BY,
        what="people come to a table one after the other, seen from above; 768x432, 139 s",
    ),
    Sample(
        name="bottles",
        address=INTEL + "6e860c7f8e89de89e9a9a8be0e6f3250a6648a39/bottle-detection.mp4",
        sha256="d52ba94aedf8a923c342fe9ea1d2bd85f712c4cc0f49a6de1bac43eebe3a48ff",
        size_bytes=504_961,
        licence=CC_BY,
        what="hands put bottles onto a table and take them; 640x360, 40 s",
    ),
    Sample(
        name="pets09-s2l1",
        address=OPENCV + "vtest.avi",
        sha256="45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
        size_bytes=8_131_690,
        licence="PETS 2009: research, not commercial",
        what="many people cross a yard, PETS 2009 S2.L1 view 1; 768x576, 80 s",
    ),
)


@samples_app.command("list")
def list_samples() -> None:
    """Show which films there are, with their licences."""
    table = Table()
    for heading in ("name", "what", "licence", "MB", "address"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "MB" else "left")
    for sample in SAMPLES:
        size = f"{sample.size_bytes / 1e6:.1f}"
        table.add_row(sample.name, sample.what, sample.licence, size, sample.address)
    Console().print(table)


@samples_app.command("fetch")
def fetch_samples(
    names: Annotated[list[str] | None, typer.Argument(help="Which ones; all if left out.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to put them in.")] = Path("samples"),
) -> None:
    """Download films of real people and check them by their SHA-256; what is there already stays.

    Exit code 4 without internet, 5 if a file is not the published one.
    """
    console = Console()
    for sample in _chosen(names):
        target = out / sample.file_name
        if target.is_file() and digest(target) == sample.sha256:
            console.print(f"{sample.name}: already at {target}")
            continue
        console.print(f"{sample.name}: {sample.size_bytes / 1e6:.1f} MB, {sample.licence}")
        fetch(sample, target)
        console.print(f"{sample.name}: {target}")
    console.print("Make a recording of one with: tillfree recording new VIDEO --layout FILE -o DIR")


def _chosen(names: list[str] | None) -> list[Sample]:
    known = {sample.name: sample for sample in SAMPLES}
    for name in names or []:
        if name not in known:
            raise RecordingError(f"there is no sample '{name}'", mend=f"choose from: {', '.join(known)}")
    return [known[name] for name in names or known]


def fetch(sample: Sample, target: Path) -> None:
    """Download ``sample`` to ``target``, whole or not at all.

    Raises OutOfReach where the server does not answer, NotAsExpected where it sends something else.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        _download(sample, part)
        if digest(part) != sample.sha256:
            raise NotAsExpected(f"{sample.address} is not the file it was: its SHA-256 differs; nothing was kept")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _download(sample: Sample, part: Path) -> None:
    """Write what the server sends to ``part``, no more than a little over the size that it should have."""
    try:
        with (
            urllib.request.urlopen(sample.address, timeout=TIMEOUT_S) as answer,  # noqa: S310 - addresses are constants
            part.open("wb") as file,
            Progress(console=Console(stderr=True), transient=True) as progress,
        ):
            task = progress.add_task(sample.name, total=sample.size_bytes)
            while (chunk := answer.read(CHUNK_BYTES)) and file.tell() <= sample.size_bytes:
                file.write(chunk)
                progress.advance(task, len(chunk))
    except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise OutOfReach(f"{sample.address} cannot be reached ({reason}); samples need internet") from error


def digest(file: Path) -> str:
    """Return the SHA-256 of ``file`` in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
