"""What the settings page is told of a store that runs is what it runs with, and holds no secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from billing.access import Access
from billing.policy import BillingPolicy
from billing.store import BillingStore
from tests.tillfree.live.test_storefile import write
from tillfree.live.configuration import LiveConfiguration
from tillfree.live.storefile import StoreFile, load_store_file
from tillfree.settings import RunSettings, load_settings
from tillfree.settings_list import groups_of

NOW_NS = 1_800_000_000 * 10**9


@pytest.fixture
def told(tmp_path: Path, write_tiny_recording: Any) -> Iterator[LiveConfiguration]:
    """A store with a capacity, a policy of its own, and a camera whose address holds what it should not."""
    folder = Path(write_tiny_recording(tmp_path / "shop", ("cam_a", "cam_b")))
    (folder / "settings.yaml").write_text(yaml.safe_dump({"billing": {"hold_minor": 5_000}}))
    cameras: list[dict[str, object]] = [
        {"id": "cam_a", "source": "rtsp://10.0.0.1/live/password=hunter2"},
        {"id": "cam_b", "source": "usb:0"},
    ]
    config = load_store_file(write(folder, cameras, settings="settings.yaml", capacity=12), {})
    log = tmp_path / "events"
    log.mkdir()
    (log / "events-1.jsonl").write_text("12345")
    store = BillingStore(tmp_path / "billing.sqlite")
    access = Access(store)
    yield LiveConfiguration(config, load_settings(config.settings_path), tmp_path, access, lambda: None)
    store.close()


def test_every_key_of_the_store_file_is_told(told: LiveConfiguration) -> None:
    assert [each.key for each in told.store().settings] == [key for key in StoreFile.model_fields if key != "version"]


def test_every_key_of_the_store_file_says_what_it_is(told: LiveConfiguration) -> None:
    assert [each.key for each in told.store().settings if not each.reason] == []


def test_what_applies_is_told_and_what_is_set(told: LiveConfiguration) -> None:
    assert (told.store_file, told.settings_file) == ("store.yaml", "settings.yaml")
    store = {each.key: each for each in told.store().settings}
    assert store["cameras"].value == "cam_a (rtsp), cam_b (usb)"
    assert (store["capacity"].value, store["capacity"].is_set) == ("12", True)
    assert (store["listen"].value, store["listen"].is_set) == ("127.0.0.1:8400", False)
    groups = {group.key: {each.key: each for each in group.settings} for group in told.groups()}
    hold = groups["billing"]["hold_minor"]
    assert (hold.value, hold.default, hold.is_set) == ("5000", "2000", True)
    assert hold.bounds == "≥ 0, ≤ 100,000,000"
    assert hold.reason == BillingPolicy.model_fields["hold_minor"].description
    assert (groups["gates"]["capacity"].value, groups["gates"]["capacity"].is_set) == ("12", True)
    assert not groups["billing"]["refund_window_days"].is_set


def test_nothing_is_told_that_a_cameras_address_holds(told: LiveConfiguration) -> None:
    assert "hunter2" not in str((told.store(), told.groups(), told.kept(NOW_NS)))


def test_what_is_kept_is_told_with_its_size(told: LiveConfiguration) -> None:
    told.operators.add_operator("anna", "a sentence that is long", frozenset(), NOW_NS)
    told.operators.sign_in("anna", "a sentence that is long", NOW_NS)
    kept = {each.what: each for each in told.kept(NOW_NS)}
    assert (kept["log"].keep_s, kept["log"].count, kept["log"].size_bytes) == (30 * 86_400, 1, 5)
    assert (kept["sessions"].keep_s, kept["sessions"].count) == (12 * 3_600, 1)
    assert kept["books"].keep_s is None
    assert (kept["books"].size_bytes or 0) > 10_000
    assert kept["audit"].size_bytes is None  # nobody has done anything
    assert kept["clips"].count is None
    assert (kept["labelled"].keep_s, kept["labelled"].count) == (None, 0)
    assert (kept["answers"].keep_s, kept["search"].keep_s, kept["notes"].keep_s) == (10, 30 * 86_400, None)


def test_every_setting_says_what_and_why() -> None:
    groups = groups_of(RunSettings())
    assert {group.key.partition(".")[0] for group in groups} >= {"checkout", "billing", "gates", "evidence", "vision"}
    lacking = [f"{group.key}.{each.key}" for group in groups for each in group.settings if not each.reason]
    assert lacking == []
