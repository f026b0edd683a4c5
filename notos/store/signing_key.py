"""The key that signs a binary cache: ed25519, as `nix key generate-secret` writes it, NAME:BASE64.

It is the user's, made once in ~/.config/notos ($XDG_CONFIG_HOME), never in the cache, which may be
removed at any time, and never in an image.
"""

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path

from notos import atomic
from notos.errors import StoreError
from notos.host import folders

NAME = "notos-1"


def default_path() -> Path:
    """Return where the user's key is, or will be. Raises HostError when the user has no home folder."""
    return folders.config() / "cache.secret"


@dataclass(frozen=True)
class SigningKey:
    """A key with its name; `seed` has 32 bytes, and is secret."""

    name: str
    seed: bytes

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read a secret key. Raises StoreError when there is none."""
        hint = "make one: nix key generate-secret --key-name NAME; or leave --key out"
        try:
            name, _, data = path.read_text().strip().partition(":")
            raw = base64.b64decode(data, validate=True)
        except FileNotFoundError:
            raise StoreError(f"there is no key {path}", hint=hint) from None
        except (UnicodeDecodeError, binascii.Error):
            name, raw = "", b""
        if not name or len(raw) != 64:
            raise StoreError(f"{path} is no secret key of a binary cache (NAME:BASE64)", hint=hint)
        return cls(name, raw[:32])

    @classmethod
    def ensure(cls, path: Path) -> "SigningKey":
        """The key at `path`, made if there is none. Raises StoreError, OSError."""
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = cls(NAME, os.urandom(32))
            secret = base64.b64encode(made.seed + made._public)
            atomic.create(path, made.name.encode() + b":" + secret + b"\n", mode=0o600)
        return cls.load(path)

    @property
    def public(self) -> str:
        """What nix.conf's trusted-public-keys wants."""
        return f"{self.name}:{base64.b64encode(self._public).decode()}"

    def sign(self, text: str) -> str:
        """The signature of `text`, as a narinfo has it."""
        from nacl.signing import SigningKey as Key

        return f"{self.name}:{base64.b64encode(Key(self.seed).sign(text.encode()).signature).decode()}"

    @property
    def _public(self) -> bytes:
        from nacl.signing import SigningKey as Key

        return bytes(Key(self.seed).verify_key)
