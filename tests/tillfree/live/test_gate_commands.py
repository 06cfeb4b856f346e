"""Commands and readers that ask a store's machine over HTTP."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billing.access import Scope
from checkout.types import ReviewAnswered
from store_layout.errors import InputError
from tests.tillfree.live.node_shop import NodeShop, open_view, review, visit_row
from tests.tillfree.serving import served
from tillfree.errors import ExitCode, OutOfReach
from tillfree.live.client import NODE_KEY, NodeClient
from tillfree.live.node import NOT_STARTED
from tillfree.live.readers import Read, post_scans
from tillfree.live.readers.keyboard import LONGEST_LINE, KeyboardReader
from tillfree.main import main


@pytest.fixture
def url(node_shop: NodeShop, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve a store with two visits and a question, and give the commands a key."""
    node_shop.node.publish(open_view(visits=(visit_row(1), visit_row(2)), reviews=(review(),)))
    monkeypatch.setenv(NODE_KEY, node_shop.key(Scope.GATE, Scope.OPERATOR))
    monkeypatch.setenv("COLUMNS", "160")
    with served(node_shop.app()) as url:
        yield url


def test_a_scan_says_what_the_gate_does(node_shop: NodeShop, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = node_shop.entry_pass()
    words = ["gate", "scan", "--url", url, "--gate", "door"]
    assert main([*words, "--pass", text, "--party-size", "2", "--scan-id", "r-1"]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "admit: Welcome." in said
    assert "visit visit-door-" in said
    assert main([*words, "--pass", text]) == ExitCode.NOT_AS_EXPECTED
    found = capsys.readouterr()
    assert "deny: This pass was used already." in found.out
    assert "door stays closed: pass_used" in found.err
    assert main([*words, "--token", "card-1"]) == ExitCode.DONE
    assert [scan.party_size for scan in node_shop.queued()] == [2, 1]


def test_scans_that_cannot_be(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "scan", "--url", url, "--gate", "door"]) == ExitCode.BAD_INPUT
    assert main(["gate", "scan", "--url", url, "--gate", "window", "--token", "c"]) == ExitCode.BAD_INPUT
    assert "no gate 'window'" in capsys.readouterr().err
    assert main(["gate", "scan", "--url", "here", "--gate", "door", "--token", "c"]) == ExitCode.BAD_INPUT
    assert main(["gate", "scan", "--url", url, "--gate", "../v1/x", "--token", "c"]) == ExitCode.BAD_INPUT


def test_a_machine_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(NODE_KEY, raising=False)
    assert main(["health"]) == ExitCode.BAD_INPUT
    assert NODE_KEY in capsys.readouterr().err
    monkeypatch.setenv(NODE_KEY, "tf_a_b")
    for words in (["health"], ["reviews", "list"], ["gate", "scan", "--gate", "door", "--token", "c"]):
        assert main([*words, "--url", "http://127.0.0.1:9"]) == ExitCode.OUT_OF_REACH
        assert "is out of reach" in capsys.readouterr().err


def test_a_key_that_may_not(
    node_shop: NodeShop, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(NODE_KEY, node_shop.key(Scope.GATE))
    assert main(["reviews", "list", "--url", url]) == ExitCode.BAD_INPUT
    assert "lacks the scope operator" in capsys.readouterr().err
    monkeypatch.setenv(NODE_KEY, "tf_a_b")
    assert main(["health", "--url", url]) == ExitCode.BAD_INPUT
    assert "a key that the machine knows" in capsys.readouterr().err


def test_health(node_shop: NodeShop, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", "--url", url]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "no frame for 9 s" in said
    node_shop.node.publish(NOT_STARTED)
    assert main(["health", "--url", url]) == ExitCode.NOT_AS_EXPECTED
    assert "lets nobody in" in capsys.readouterr().err


def test_reviews_are_listed(node_shop: NodeShop, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reviews", "list", "--url", url]) == ExitCode.DONE
    said = capsys.readouterr().out
    for words in ("review-000001", "4 s", "doubtful", "1  visit-s1 took 1 × cola (60%)", "5  nothing happened"):
        assert words in said
    node_shop.node.publish(open_view())
    assert main(["reviews", "list", "--url", url]) == ExitCode.DONE
    assert "Nothing is asked." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        (["3"], ("visit-s2", "cola", 1)),
        (["--nothing"], (None, None, 0)),
        (["--sku", "bread", "--quantity", "2", "--visit", "visit-s2"], ("visit-s2", "bread", 2)),
        (["--sku", "bread"], (None, "bread", 1)),
    ],
)
def test_reviews_are_answered(node_shop: NodeShop, url: str, words: list[str], outcome: tuple[Any, ...]) -> None:
    assert main(["reviews", "answer", "review-000001", *words, "--yes", "--url", url]) == ExitCode.DONE
    (queued,) = node_shop.node.take(node_shop.at_ns)
    assert queued.given == ReviewAnswered("review-000001", node_shop.at_ns, *outcome)


@pytest.mark.parametrize(
    "words",
    [[], ["1", "--nothing"], ["9"], ["--visit", "visit-s1", "--nothing"], ["--sku", "gold"]],
)
def test_answers_that_are_none(node_shop: NodeShop, url: str, words: list[str]) -> None:
    assert main(["reviews", "answer", "review-000001", *words, "--yes", "--url", url]) == ExitCode.BAD_INPUT
    assert main(["reviews", "answer", "review-000009", "1", "--yes", "--url", url]) == ExitCode.BAD_INPUT
    assert node_shop.node.take(node_shop.at_ns) == ()


def test_an_answer_is_asked_for_once_more(node_shop: NodeShop, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["reviews", "answer", "review-000001", "1", "--url", url]
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert main(words) == ExitCode.BROKEN_OFF
    assert node_shop.node.take(node_shop.at_ns) == ()
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(words) == ExitCode.DONE
    assert len(node_shop.node.take(node_shop.at_ns)) == 1


def test_a_scanner_that_types_into_a_pipe(node_shop: NodeShop, url: str) -> None:
    text, shown = node_shop.entry_pass(), []
    to_read, to_write = os.pipe()

    def type_in() -> None:
        with os.fdopen(to_write, "w", encoding="ascii") as keyboard:
            keyboard.write(f"{text}\r\n\nstaff\n{text}\n")

    thread = threading.Thread(target=type_in)
    thread.start()
    with os.fdopen(to_read, encoding="ascii", errors="replace") as stream:
        client = NodeClient(url)
        post_scans(KeyboardReader(stream), "door", client, lambda outcome, said: shown.append((outcome, said[:24])))
        client.close()
    thread.join()
    assert shown == [
        ("admit", "Welcome."),
        ("deny", "This is no entry pass. P"),
        ("deny", "This pass was used alrea"),
    ]
    assert len(node_shop.queued()) == 1


def test_the_read_command_takes_a_device(node_shop: NodeShop, url: str, tmp_path: Path) -> None:
    device = tmp_path / "ttyACM0"
    device.write_text("card-1\ncard-2\n", encoding="ascii")
    assert main(["gate", "read", "--url", url, "--gate", "door", "--device", str(device), "--tokens"]) == ExitCode.DONE
    assert [scan.token for scan in node_shop.queued()] == ["card-1", "card-2"]
    gone = tmp_path / "ttyACM1"
    assert main(["gate", "read", "--url", url, "--gate", "door", "--device", str(gone)]) == ExitCode.BAD_INPUT


def test_the_read_command_takes_what_is_typed(node_shop: NodeShop, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{node_shop.entry_pass()}\n"))
    assert main(["gate", "read", "--url", url, "--gate", "door"]) == ExitCode.DONE
    assert len(node_shop.queued()) == 1


def test_lines_that_are_no_codes() -> None:
    long = "9" * LONGEST_LINE
    text = f"\n  \n{long}9 tail\n{long}{long}{long}\n{long[1:]}\n12\n34"
    found = list(KeyboardReader(io.StringIO(text)).scans())
    assert found == [Read(long[1:]), Read("12"), Read("34")]
    assert list(KeyboardReader(io.StringIO("card-1\n"), are_passes=False).scans()) == [Read("card-1", is_pass=False)]


class Flaky:
    """A machine that loses answers, as the test says; keeps the ids that it was asked by."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers, self.ids = list(answers), []  # type: ignore[var-annotated]

    def scan(self, gate_id: str, **shown: Any) -> dict[str, Any]:
        self.ids.append(shown["scan_id"])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def posted(*answers: dict[str, Any] | Exception) -> tuple[list[tuple[str, str]], list[str]]:
    machine, shown = Flaky(*answers), []  # type: ignore[var-annotated]
    reader = KeyboardReader(io.StringIO("1\n"))
    post_scans(reader, "door", machine, lambda outcome, said: shown.append((outcome, said)))
    return shown, machine.ids


def test_a_scan_without_an_answer_is_posted_again_by_the_same_id() -> None:
    welcome = {"outcome": "admit", "sentence": "Welcome."}
    shown, ids = posted(OutOfReach("no answer"), OutOfReach("no answer"), welcome)
    assert (shown, len(ids), len(set(ids))) == ([("admit", "Welcome.")], 3, 1)
    assert posted(*[OutOfReach("no answer")] * 3)[0] == [("call_staff", "no answer")]
    assert posted(InputError("no such gate"))[0] == [("call_staff", "no such gate")]
