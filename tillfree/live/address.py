"""Where a camera's pictures are had from: RTSP, HTTP, a device at this machine, or a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

Kind = Literal["rtsp", "http", "usb", "file"]
KINDS: dict[str, Kind] = {"rtsp": "rtsp", "rtsps": "rtsp", "http": "http", "https": "http"}
MEND = "write rtsp://HOST/PATH, rtsps://, http://, https://, usb:0, usb:/dev/video0, or a file's path"


@dataclass(frozen=True, slots=True)
class Login:
    """Who may see a camera's pictures. The password is never part of a text about the login."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """A source without a login. ``str()`` is fit for logs: it leaves out what stands after a URL's question mark.

    ``place`` is the URL without user info, the device after ``usb:``, or the file's path.
    """

    kind: Kind
    place: str

    def __str__(self) -> str:
        if self.kind == "usb":
            return f"usb:{self.place}"
        if self.kind == "file":
            return self.place
        return urlunsplit(urlsplit(self.place)._replace(query="", fragment=""))

    def with_login(self, login: Login | None) -> str:
        """Return the URL with ``login`` in it, percent-encoded, as FFmpeg takes it. Secret: give it to nobody else."""
        if login is None:
            return self.place
        parts = urlsplit(self.place)
        user = f"{quote(login.username, safe='')}:{quote(login.password, safe='')}@"
        return urlunsplit(parts._replace(netloc=user + parts.netloc))


def parse_address(text: str, base: Path) -> Address:
    """Return where ``text`` points to; a file's path is relative to ``base``.

    Raises ValueError with words that never repeat ``text``, which may hold a password that does not belong there.
    """
    scheme, colon, rest = text.partition(":")
    if scheme == "usb" and colon:
        if not rest:
            raise ValueError("names no device after 'usb:'")
        return Address("usb", rest)
    if "://" not in text:
        return Address("file", str(base / text))
    kind = KINDS.get(scheme.lower())
    if kind is None:
        raise ValueError("is of a kind that is not known")
    return Address(kind, _checked(text))


def _checked(url: str) -> str:
    """Return ``url`` if it names a host and no user; ValueError otherwise."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # asking for the port checks it
    except ValueError:
        raise ValueError("is not a URL") from None  # urlsplit's own words may repeat the URL
    if "@" in parts.netloc:
        raise ValueError("holds a user or a password")
    if not host:
        raise ValueError("names no host")
    return url
