"""What the process has a say in: memory that was freed goes back."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from tillfree.system import give_back_memory

MIB = 1024 * 1024


def anonymous_bytes() -> int:
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return int(rollup.split("Anonymous:")[1].split()[0]) * 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere the C library keeps no memory for threads")
def test_what_threads_have_freed_goes_back() -> None:
    kept: list[list[bytearray]] = []

    def work() -> None:
        blocks = [bytearray(2_000 + 20 * number) for number in range(1_500)]
        kept.append(blocks[::50])  # so that no arena is empty

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = anonymous_bytes()
    give_back_memory()
    assert before - anonymous_bytes() > 20 * MIB
    assert len(kept) == 4


THREADS_AND_HEAPS = """
import ctypes
from threading import Barrier, Thread
from tillfree.system import share_memory

share_memory()
kept, all_there = [], Barrier(6)


def work():
    all_there.wait()
    kept.append([bytearray(2_000) for _ in range(500)])
    all_there.wait()


threads = [Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere the C library has other heaps")
def test_threads_share_two_heaps() -> None:
    done = subprocess.run([sys.executable, "-c", THREADS_AND_HEAPS], capture_output=True, text=True, check=True)
    assert 1 <= done.stdout.count("<heap nr=") <= 2
