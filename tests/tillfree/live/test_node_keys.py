"""A machine's own keys: shown once, worth nothing once revoked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from billing.access import Scope
from billing.errors import AccessDenied, NotKnown
from store_layout.errors import InputError
from tests.tillfree.live.node_shop import NOW, S
from tillfree.commands.gate import gate_app
from tillfree.live.keys import NodeKeys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_is_known_by_its_digest_alone(file: Path) -> None:
    keys = NodeKeys(file)
    key = keys.add("reader-1", {Scope.GATE}, NOW)
    assert key not in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o077 == 0
    who = keys.who(key, NOW)
    assert (who.name, who.scopes, who.asker) == ("reader-1", frozenset({Scope.GATE}), "client:reader-1")
    assert keys.remembered(key, NOW) is None
    for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), f"tf_{'0' * 12}_{'A' * 43}", "", "x"):
        with pytest.raises(NotKnown):
            keys.who(wrong, NOW)


def test_a_revoked_key_is_worth_nothing_in_a_machine_that_runs(file: Path) -> None:
    running, other = NodeKeys(file), NodeKeys(file)
    key = other.add("reader-1", {Scope.GATE}, NOW)
    assert running.who(key, NOW).name == "reader-1"
    other.revoke("reader-1", NOW + S)
    with pytest.raises(NotKnown, match="revoked"):
        running.who(key, NOW + S)
    again = other.add("reader-1", {Scope.GATE}, NOW + 2 * S)
    assert running.who(again, NOW).name == "reader-1"
    assert [(each.name, each.revoked_at_ns) for each in running.clients()] == [
        ("reader-1", NOW + S),
        ("reader-1", None),
    ]


def test_names_that_cannot_be(file: Path) -> None:
    keys = NodeKeys(file)
    keys.add("reader-1", {Scope.GATE}, NOW)
    with pytest.raises(AccessDenied, match="there is a key named"):
        keys.add("reader-1", {Scope.GATE}, NOW)
    with pytest.raises(AccessDenied, match="is no name"):
        keys.add("no name", {Scope.GATE}, NOW)
    with pytest.raises(AccessDenied, match="no key named"):
        keys.revoke("reader-2", NOW)


def test_files_that_are_not_ours(file: Path, tmp_path: Path) -> None:
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="others may read"):
        NodeKeys(file)
    file.chmod(0o600)
    file.write_text("keys", encoding="utf-8")
    with pytest.raises(InputError, match="holds no keys"):
        NodeKeys(file)
    with pytest.raises(InputError, match="cannot be written"):
        NodeKeys(tmp_path / "none" / "keys.json").add("reader-1", {Scope.GATE}, NOW)


def test_keys_on_the_command_line(file: Path) -> None:
    def told(*words: str) -> str:
        result = CliRunner().invoke(gate_app, ["keys", *words], catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    key = told("add", str(file), "reader-1", "--scope", "gate").strip()
    assert NodeKeys(file).who(key, NOW).name == "reader-1"
    assert "reader-1" in told("list", str(file))
    assert told("revoke", str(file), "reader-1") == "revoked reader-1\n"
    with pytest.raises(InputError, match="there is no key"):
        told("revoke", str(file), "reader-1")
