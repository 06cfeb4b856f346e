"""The store's own secrets, in one file that nobody else may read.

Losing the file costs no money: passes that are shown are refused until phones fetch new ones, receipts of before are not
found by card any more, and open forms have to be sent again.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from billing.errors import PassInputError
from billing.passes import PassKey
from store_layout.errors import InputError
from store_layout.model import Strict

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keyring:
    """``pass_key`` signs entry passes, ``mark_key`` hides card marks, ``form_key`` tells our own forms from others'."""

    pass_key: PassKey
    mark_key: bytes = field(repr=False)
    form_key: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> Keyring:
        """Make new secrets out of the operating system's randomness."""
        return cls(PassKey.generate(), secrets.token_bytes(_SECRET_BYTES), secrets.token_bytes(_SECRET_BYTES))


_Secret = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _File(Strict):
    version: Literal[1] = 1
    pass_key: str
    mark_key: _Secret
    form_key: _Secret


def open_keyring(path: Path) -> Keyring:
    """Read the secrets; where there is no such file yet, make one that only its owner may read.

    Raises:
        InputError: others may read the file, it cannot be read, or is no such file.
    """
    if not path.exists():
        _make(path)
    try:
        if path.stat().st_mode & 0o077:
            raise InputError("others may read the store's secrets", file=path, mend=f"chmod 600 {path.name}")
        told = _File.model_validate_json(path.read_bytes())
        pass_key = PassKey.load(told.pass_key.encode())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path, mend="let this user read it") from error
    except (ValidationError, PassInputError) as error:
        raise InputError(
            "holds no secrets of a store", file=path, mend="restore it, or remove it for new ones"
        ) from error
    return Keyring(pass_key, bytes.fromhex(told.mark_key), bytes.fromhex(told.form_key))


def _make(path: Path) -> None:
    """Write new secrets beside ``path`` and put them there at once; whoever else was first has made them."""
    new = Keyring.generate()
    told = _File(pass_key=new.pass_key.dump().decode(), mark_key=new.mark_key.hex(), form_key=new.form_key.hex())
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(told.model_dump_json(indent=1) + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        finally:
            draft.unlink()
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", file=path, mend="choose another place") from error
