"""Who did what is kept, whatever happens to the process."""

from __future__ import annotations

from pathlib import Path

from dashboard.audit import AuditLog, Deed

OPENED = Deed(1, "anna", "store.open", "store", "in spite of dust: « staff watches »\nand waits")
CLOSED = Deed(2, "björn", "store.close", "store")


def test_the_latest_come_first_and_outlive_the_process(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write(OPENED)
    log.write(CLOSED)
    log.close()
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o077 == 0
    again = AuditLog(tmp_path / "audit.jsonl")
    assert again.latest(10) == (CLOSED, OPENED)
    assert again.latest(1) == (CLOSED,)
    again.close()


def test_it_is_read_from_any_place_and_knows_who_did_what_last(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    assert list(log.entries()) == []
    for deed in (OPENED, CLOSED, OPENED):
        log.write(deed)
    third, second, first = log.entries()
    assert [entry.deed for entry in log.entries(third.place)] == [CLOSED, OPENED]
    assert [entry.deed for entry in log.entries(second.place + 3)] == [OPENED]  # in the midst of a line
    assert list(log.entries(first.place)) == []
    assert log.last_ns("anna", "store.open") == 1
    assert log.last_ns("anna", "store.close") is None
    log.close()
    again = AuditLog(tmp_path / "audit.jsonl")
    assert again.who_and_what() == (("anna", "björn"), ("store.close", "store.open"))
    assert again.last_ns("björn", "store.close") == 2
    again.close()


def test_a_line_that_a_crash_cut_short_harms_no_other(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    log = AuditLog(file)
    log.write(OPENED)
    log.close()
    file.write_bytes(file.read_bytes() + b'{"at_ns": 2, "who": "bj')
    again = AuditLog(file)
    again.write(CLOSED)
    assert again.latest(10) == (CLOSED, OPENED)
    again.close()
