"""Lines that outlive a crash: each is on the disk before ``append`` returns, or is not there afterwards.

A line is the CRC-32 of its text, a blank and the text. What a crash cut short, or left as rubbish, at the end of the file
is dropped when it is opened; damage before good lines is no crash's doing and is refused. One process at a time has the
file; it is its owner's alone to read, since passes and tokens stand in it.
"""

from __future__ import annotations

import fcntl
import os
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path

from store_layout.errors import InputError
from tillfree.live.errors import NodeStopped


class Journal:
    """A file of lines. Safe to use from several threads; ``lines`` is what was in it when it was opened."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where another process has the file, or it is damaged, or cannot be opened."""
        self._path, self._mutex = path, threading.Lock()
        self._is_open = False
        try:
            self._guard = _held(path)
            try:
                self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
                self.lines, self._size = _read(path)
                os.ftruncate(self._file, self._size)
                _sync_folder(path)
            except (OSError, InputError):
                os.close(self._guard)
                raise
        except OSError as error:
            raise InputError(f"cannot be opened: {error.strerror}", file=path, mend="choose another place") from error
        self._is_open = True

    def append(self, *texts: str, lasting: bool = True) -> None:
        """Write lines after all others. Without ``lasting`` a power cut may take them; a crash of the process does not.

        Raises NodeStopped where they cannot be written; then none of them is there.
        """
        data = b"".join(_line(text) for text in texts)
        with self._mutex:
            self._check()
            try:
                _write(self._file, data)
                if lasting:
                    os.fsync(self._file)
            except OSError as error:
                self._take_back()
                raise NodeStopped(f"{self._path.name} cannot be written: {error.strerror}") from error
            self._size += len(data)

    def rewrite(self, texts: Iterable[str]) -> None:
        """Put these lines in place of all others: after a crash it is the one or the other.

        Raises NodeStopped where they cannot be written; then the former stay.
        """
        data = b"".join(_line(text) for text in texts)
        draft = self._path.with_name(f"{self._path.name}.new")
        with self._mutex:
            self._check()
            try:
                file = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_APPEND, 0o600)
                try:
                    _write(file, data)
                    os.fsync(file)
                    draft.replace(self._path)
                except OSError:
                    os.close(file)
                    raise
                os.close(self._file)
                self._file, self._size = file, len(data)
                _sync_folder(self._path)
            except OSError as error:
                raise NodeStopped(f"{self._path.name} cannot be written anew: {error.strerror}") from error

    def close(self) -> None:
        """Let the file go."""
        with self._mutex:
            if self._is_open:
                self._is_open = False
                os.close(self._file)
                os.close(self._guard)

    def _check(self) -> None:
        if not self._is_open:
            raise NodeStopped(f"{self._path.name} is closed")

    def _take_back(self) -> None:
        """Cut off what was written of lines that failed; where that fails too, write no more."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._is_open = False
            os.close(self._file)
            os.close(self._guard)


def _held(path: Path) -> int:
    """Return what keeps other processes from ``path``. Raises InputError where another one has it."""
    guard = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(guard)
        raise InputError("is in use", file=path, mend="end the other process of this store") from error
    return guard


def _line(text: str) -> bytes:
    data = text.encode()
    if b"\n" in data:
        raise ValueError("a line has no line break")
    return b"%08x %s\n" % (zlib.crc32(data), data)


def _read(path: Path) -> tuple[tuple[str, ...], int]:
    """Return the good lines of a file, and how many bytes they have. Raises InputError for damage before their end."""
    lines: list[str] = []
    size, rest = 0, path.read_bytes()
    *whole, _cut = rest.split(b"\n")
    good = [_text(each) for each in whole]
    while good and good[-1] is None:
        good.pop()
    for number, (text, raw) in enumerate(zip(good, whole, strict=False), start=1):
        if text is None:
            mend = "restore it, or move it away: what waits in it is lost then"
            raise InputError(f"line {number} is damaged", file=path, mend=mend)
        lines.append(text)
        size += len(raw) + 1
    return tuple(lines), size


def _text(raw: bytes) -> str | None:
    """Return a line's text, None for what is none."""
    said, blank, data = raw[:8], raw[8:9], raw[9:]
    if blank != b" " or said != b"%08x" % zlib.crc32(data):
        return None
    return data.decode()


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync_folder(path: Path) -> None:
    """Bring a file's name to the disk."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
