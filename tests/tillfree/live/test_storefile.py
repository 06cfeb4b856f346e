"""The store file: what it may say, what it must not hold, and that docs/live.md tells all of it."""

from __future__ import annotations

import json
import re
import traceback
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from billing.webhooks import new_secret
from store_layout.errors import InputError
from tests.tillfree.live.camera_rig import REPO
from tillfree.live.address import Login
from tillfree.live.storefile import StoreFile, load_store_file

SECRET = "hunter2"


@pytest.fixture
def folder(tmp_path: Path, write_tiny_recording: Any) -> Path:
    """Return a folder with a layout of two cameras and a video of each."""
    return Path(write_tiny_recording(tmp_path / "shop", ("cam_a", "cam_b")))


def write(folder: Path, cameras: list[dict[str, object]] | None = None, **more: object) -> Path:
    document = {"version": 1, "layout": "layout.yaml", "cameras": cameras, **more}
    if cameras is None:
        document["cameras"] = [{"id": "cam_b", "source": "usb:0"}, {"id": "cam_a", "source": "rtsp://10.0.0.1/live"}]
    file = folder / "store.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def test_a_short_file_has_defaults(folder: Path) -> None:
    config = load_store_file(write(folder), {})
    assert [feed.camera_id for feed in config.feeds] == ["cam_a", "cam_b"]  # as the layout has them
    assert (config.billing_url, config.gateway, config.capacity) == (None, "sandbox", None)
    assert (config.listen.host, config.listen.port) == ("127.0.0.1", 8400)
    assert config.data_dir == folder / "data"
    assert (config.settings_path, config.prices_path, config.weights_path) == (None, None, None)
    assert (config.feeds[0].transport, config.feeds[0].times, config.feeds[0].login) == ("tcp", "auto", None)


def test_everything_that_can_be_said(folder: Path) -> None:
    for name in ("settings.yaml", "prices.yaml", "people.xml"):
        (folder / name).write_text("")
    main = {
        "id": "cam_a",
        "source": "rtsp://10.0.0.1/sub",
        "evidence": "rtsps://10.0.0.1/main",
        "transport": "udp",
        "times": "sender",
        "username": "viewer",
        "password_env": "CAM_A",
    }
    file = write(
        folder,
        [main],
        absent=["cam_b"],
        settings="settings.yaml",
        prices="prices.yaml",
        weights="people.xml",
        data="books",
        capacity=8,
        billing="https://billing.example",
        gateway="stripe",
        listen={"host": "0.0.0.0", "port": 9000},
    )
    config = load_store_file(file, {"CAM_A": SECRET})
    (feed,) = config.feeds
    assert (str(feed.source), str(feed.evidence)) == ("rtsp://10.0.0.1/sub", "rtsps://10.0.0.1/main")
    assert (feed.transport, feed.times, feed.login) == ("udp", "sender", Login("viewer", SECRET))
    assert SECRET not in repr(config)
    assert config.settings_path == folder / "settings.yaml"
    assert config.weights_path == folder / "people.xml"
    assert config.prices_path == folder / "prices.yaml"
    assert (config.billing_url, config.gateway) == ("https://billing.example", "stripe")
    assert (config.capacity, config.absent, config.data_dir.name) == (8, ("cam_b",), "books")


def test_files_as_cameras(folder: Path) -> None:
    cameras = [{"id": "cam_a", "source": "cam_a.mp4", "loop": True}, {"id": "cam_b", "source": "http://h/b.mjpg"}]
    first, second = load_store_file(write(folder, cameras), {}).feeds
    assert (first.source.kind, first.loop, first.source.place) == ("file", True, str(folder / "cam_a.mp4"))
    assert (second.source.kind, second.loop) == ("http", False)


A, B = {"id": "cam_a", "source": "rtsp://h/a"}, {"id": "cam_b", "source": "rtsp://h/b"}


@pytest.mark.parametrize(
    ("cameras", "field", "words"),
    [
        ([A], "cameras", "camera 'cam_b' has no source. Mend: add it, or list it under 'absent'"),
        ([A, A, B], "cameras[0].id", "'cam_a' is given twice"),
        ([A, B, {**A, "id": "cam_c"}], "cameras[2].id", "no camera 'cam_c' in the layout. Mend: the layout has: cam_a"),
        ([{**A, "source": "none.mp4"}, B], "cameras[0].source", "there is no such file"),
        ([{**A, "source": "ftp://h/a"}, B], "cameras[0].source", "of a kind that is not known"),
        ([{**A, "source": "rtsp:///a"}, B], "cameras[0].source", "names no host"),
        ([{**A, "source": "rtsp://h:70000/a"}, B], "cameras[0].source", "is not a URL"),
        ([{**A, "source": "usb:"}, B], "cameras[0].source", "names no device"),
        ([{**A, "loop": True}, B], "cameras[0].loop", "files alone"),
        ([{"id": "cam_a", "source": "usb:0", "transport": "udp"}, B], "cameras[0].transport", "RTSP alone"),
        ([{**A, "evidence": "usb:0"}, B], "cameras[0].evidence", "which gives one stream"),
        ([{**A, "username": "ann"}, B], "cameras[0].password_env", "is missing beside the other"),
        ([{**A, "password_env": "X"}, B], "cameras[0].username", "is missing beside the other"),
        ([{**A, "username": "ann", "password_env": "X"}, B], "cameras[0].password_env", "is not set"),
        ([{"id": "cam_a", "source": "usb:0", "username": "a", "password_env": "X"}, B], "cameras[0].username", "alone"),
        ([{**A, "times": "guess"}, B], "cameras[0].times", "'stream', 'arrival', 'sender' or 'auto'"),
    ],
)
def test_cameras_that_cannot_be(folder: Path, cameras: list[dict[str, object]], field: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        load_store_file(write(folder, cameras), {})
    assert caught.value.field == field
    assert caught.value.mend
    assert "store.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"layout": "none.yaml"}, "layout", "there is no file 'none.yaml'"),
        ({"settings": "none.yaml"}, "settings", "there is no file"),
        ({"data": "layout.yaml"}, "data", "'layout.yaml' is a file"),
        ({"billing": "somewhere"}, "billing", "neither 'embedded' nor a URL"),
        ({"billing": "https://[x"}, "billing", "is not a URL"),
        ({"gateway": "cash"}, "gateway", "'sandbox' or 'stripe'"),
        ({"capacity": 0}, "capacity", "greater than or equal to 1"),
        ({"listen": {"port": 0}}, "listen.port", "greater than or equal to 1"),
        ({"absent": ["cam_a"]}, "cameras[1].id", "'cam_a' is given twice"),
        ({"absent": ["cam_z"]}, "absent[0]", "no camera 'cam_z'"),
        ({"camera": []}, "camera", "unknown key. Mend: did you mean 'cameras'?"),
    ],
)
def test_what_else_cannot_be(folder: Path, more: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        load_store_file(write(folder, **more), {})
    assert caught.value.field == field


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "cam_a", "source": f"rtsp://ann:{SECRET}@h/a"},
        {"id": "cam_a", "source": f"rtsp://ann:{SECRET}@h:99999/a"},
        {"id": "cam_a", "source": f"rtsp://ann:{SECRET}@[h/a"},
        {"id": "cam_a", "source": f"ann:{SECRET}@h/a"},
        {"id": "cam_a", "source": "rtsp://h/a", "evidence": f"https://ann:{SECRET}@h/a"},
        {"id": "cam_a", "source": "rtsp://h/a", "username": "ann", "password_env": SECRET},
        {"id": "cam_a", "source": "rtsp://h/a", "username": "ann", "password_env": SECRET + "!"},
        {"id": "cam_a", "source": "rtsp://h/a", "username": "ann", "password": SECRET},
        {"source": f"rtsp://ann:{SECRET}@h/a"},
    ],
)
def test_a_password_in_the_file_is_refused_and_not_repeated(folder: Path, entry: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        load_store_file(write(folder, [entry, B]), {})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_password_in_billings_url_is_refused(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_store_file(write(folder, billing=f"https://ann:{SECRET}@h"), {})
    assert SECRET not in str(caught.value)


HOOK = {"url": "https://hooks.example/very-secret-path", "secret_env": "HOOK"}
MAIL = {"host": "mail.example", "sender": "store@shop.example", "to": ["ann@shop.example"]}


def test_who_is_told_what_is_wrong(folder: Path) -> None:
    assert load_store_file(write(folder), {}).alerts is None
    mail = {**MAIL, "user": "till", "password_env": "MAIL"}
    file = write(folder, alerts={"webhook": HOOK, "email": mail, "cool_down_s": 60, "tell": ["faults", "doors"]})
    config = load_store_file(file, {"HOOK": new_secret(bytes(32)), "MAIL": SECRET})
    assert config.alerts is not None
    assert config.alerts.webhook is not None
    assert config.alerts.email is not None
    assert (config.alerts.entry.cool_down_s, config.alerts.entry.after_s) == (60, 15)
    assert (config.alerts.email.policy.security, config.alerts.email.policy.port) == ("starttls", 587)
    assert (config.alerts.email.to, config.alerts.email.password) == (("ann@shop.example",), SECRET)
    for secret in (SECRET, new_secret(bytes(32)), "very-secret-path"):
        assert secret not in repr(config)


def test_a_worker_tells_nobody_and_needs_no_secret(folder: Path) -> None:
    more = {"broker": {"url": "nats://10.0.0.2:4222"}, "workers": {"all": ["cam_a", "cam_b"]}}
    config = load_store_file(write(folder, alerts={"webhook": HOOK}, **more), {}, worker="all")
    assert config.alerts is None


@pytest.mark.parametrize(
    ("alerts", "field", "words"),
    [
        ({"cool_down_s": 60}, "alerts", "say nobody who is told. Mend: add 'webhook' or 'email'"),
        ({"webhook": HOOK}, "alerts.webhook.secret_env", "names a variable that is not set"),
        ({"webhook": {**HOOK, "secret_env": "SHORT"}}, "alerts.webhook.secret_env", "with no secret in it"),
        ({"webhook": {**HOOK, "secret_env": "a b"}}, "alerts.webhook.secret_env", "ALERTS_SECRET"),
        ({"webhook": {**HOOK, "url": "http://hooks.example"}}, "alerts.webhook.url", "must be https"),
        ({"webhook": {**HOOK, "url": f"https://a:{SECRET}@h"}}, "alerts.webhook.url", "no user or password"),
        ({"webhook": {"url": "https://h"}}, "alerts.webhook.secret_env", "is missing"),
        ({"email": {**MAIL, "user": "till"}}, "alerts.email.password_env", "is missing beside the other"),
        ({"email": {**MAIL, "password_env": "MAIL"}}, "alerts.email.user", "is missing beside the other"),
        ({"email": {**MAIL, "user": "a", "password_env": "MAIL"}}, "alerts.email.password_env", "is not set"),
        ({"email": {**MAIL, "password": SECRET}}, "alerts.email.password", "unknown key"),
        ({"email": {**MAIL, "to": []}}, "alerts.email.to", "at least 1"),
        ({"email": {**MAIL, "to": ["nobody"]}}, "alerts.email.to", "is no address"),
        ({"email": {**MAIL, "security": "none"}}, "alerts.email", "in clear to mail.example"),
        ({"email": MAIL, "cool_down_s": -1}, "alerts.cool_down_s", "greater than or equal to 0"),
        ({"email": MAIL, "tell": ["weather"]}, "alerts.tell[0]", "'faults'"),
    ],
)
def test_alerts_that_cannot_be(folder: Path, alerts: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_store_file(write(folder, alerts=alerts), {"SHORT": SECRET})
    assert caught.value.field == field
    assert words in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "very-secret-path" not in "".join(traceback.format_exception(caught.value))


def test_who_is_told_what_to_bring(folder: Path) -> None:
    told = {**HOOK, "at": ["14:00", "06:30", "14:00"]}
    config = load_store_file(write(folder, dashboard={}, replenishment=told), {"HOOK": new_secret(bytes(32))})
    assert config.replenish is not None
    assert (config.replenish.hook.host, config.replenish.times) == ("hooks.example", ("06:30", "14:00"))
    assert "very-secret-path" not in repr(config)


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"replenishment": HOOK}, "replenishment", "needs the book of stock"),
        ({"dashboard": {}, "replenishment": HOOK}, "replenishment.secret_env", "is not set"),
        ({"dashboard": {}, "replenishment": {**HOOK, "url": "http://h"}}, "replenishment.url", "must be https"),
        ({"dashboard": {}, "replenishment": {**HOOK, "at": [840]}}, "replenishment.at", "in quotes"),
        ({"dashboard": {}, "replenishment": {**HOOK, "at": ["24:00"]}}, "replenishment.at", "23:59"),
    ],
)
def test_replenishment_that_cannot_be(folder: Path, more: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        load_store_file(write(folder, **more), {})
    assert caught.value.field == field
    assert "very-secret-path" not in "".join(traceback.format_exception(caught.value))


@pytest.fixture(scope="module")
def page() -> str:
    return (REPO / "docs/live.md").read_text(encoding="utf-8")


def example(page: str) -> dict[str, Any]:
    (text,) = re.findall(r"^```yaml file=store.yaml\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_example_is_one(page: str, tmp_path: Path) -> None:
    document = example(page)
    jsonschema.validate(document, json.loads((REPO / "docs/schemas/store.json").read_text(encoding="utf-8")))
    store = REPO / "sample_videos/store"
    (tmp_path / "layout.yaml").write_text((store / "layout.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    for name in ("prices.yaml", "corner.mp4"):
        (tmp_path / name).write_text("")
    (tmp_path / "store.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    config = load_store_file(tmp_path / "store.yaml", {"CAM1_PASSWORD": SECRET})
    assert {feed.camera_id for feed in config.feeds} | set(config.absent) == {c.id for c in config.store.cameras}


def test_every_key_is_documented(page: str) -> None:
    schema = StoreFile.model_json_schema()
    keys = {key for part in (schema, *schema["$defs"].values()) for key in part.get("properties", ())}
    assert {key for key in keys if f"`{key}`" not in page} == set()
