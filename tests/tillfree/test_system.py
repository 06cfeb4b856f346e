"""What the process has a say in: memory that was freed goes back."""

from __future__ import annotations

import platform
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
