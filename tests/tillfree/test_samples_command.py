"""`tillfree samples fetch`, against a server on this machine and against none."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tillfree.commands import samples
from tillfree.commands.samples import SAMPLES, Sample, digest
from tillfree.main import main

FILM = b"not much of a film" * 10_000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: Any) -> None:
        del words


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    served = tmp_path / "served"
    served.mkdir()
    (served / "film.mp4").write_bytes(FILM)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/film.mp4"
        server.shutdown()
        thread.join()


def offer(monkeypatch: pytest.MonkeyPatch, address: str, sha256: str = hashlib.sha256(FILM).hexdigest()) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(samples, "SAMPLES", (Sample("film", address, sha256, len(FILM), "none", "a film"),))


def test_a_sample_is_fetched_once_and_checked(
    monkeypatch: pytest.MonkeyPatch, address: str, tmp_path: Path, capsys: Any
) -> None:
    offer(monkeypatch, address)
    out = tmp_path / "out"
    assert main(["samples", "fetch", "-o", str(out)]) == 0
    assert (out / "film.mp4").read_bytes() == FILM
    assert [path.name for path in out.iterdir()] == ["film.mp4"]
    capsys.readouterr()
    assert main(["samples", "fetch", "film", "-o", str(out)]) == 0
    assert "already" in capsys.readouterr().out


def test_another_file_than_the_published_one_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, address: str, tmp_path: Path, capsys: Any
) -> None:
    offer(monkeypatch, address, "0" * 64)
    assert main(["samples", "fetch", "-o", str(tmp_path / "out")]) == 5
    assert "SHA-256 differs" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("gone", ["port", "file"])
def test_without_internet_one_line_and_exit_code_4(
    monkeypatch: pytest.MonkeyPatch, address: str, tmp_path: Path, capsys: Any, gone: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/film.mp4"
    offer(monkeypatch, closed if gone == "port" else address.replace("film", "gone"))
    assert main(["samples", "fetch", "-o", str(tmp_path / "out")]) == 4
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.strip()] == lines[-1:]
    assert "cannot be reached" in lines[-1]
    assert "samples need internet" in lines[-1]


def test_an_unknown_sample(tmp_path: Path, capsys: Any) -> None:
    assert main(["samples", "fetch", "nothing", "-o", str(tmp_path)]) == 2
    assert "one-by-one" in capsys.readouterr().err


def test_the_list_shows_every_licence(capsys: Any) -> None:
    assert main(["samples", "list"]) == 0
    assert "CC BY" in capsys.readouterr().out


def test_checksums_are_those_of_the_published_files(shared_dir: Path) -> None:
    places = {"one-by-one": "people", "bottles": "people", "pets09-s2l1": "pets09-s2l1"}
    for sample in SAMPLES:
        file = shared_dir / "clips" / places[sample.name] / sample.file_name
        assert digest(file) == sample.sha256
        assert file.stat().st_size == sample.size_bytes
