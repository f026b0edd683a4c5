"""The ed25519 key that signs a binary cache, in the format of `nix key generate-secret`: NAME:BASE64.

There is one key per user, in ~/.config/notos ($XDG_CONFIG_HOME). It is not in the cache, which may be removed
at any time, and never in an image.
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
    """Return the path of the user's key, whether it exists or not. Raises HostError without a home folder."""
    return folders.config() / "cache.secret"


@dataclass(frozen=True)
class SigningKey:
    """A key with its name. `seed` is secret and has 32 bytes."""

    name: str
    seed: bytes

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read a secret key. Raises StoreError if it is missing or invalid."""
        hint = "create one: nix key generate-secret --key-name NAME; or omit --key"
        try:
            name, _, data = path.read_text().strip().partition(":")
            raw = base64.b64decode(data, validate=True)
        except FileNotFoundError:
            raise StoreError(f"no such key: {path}", hint=hint) from None
        except (UnicodeDecodeError, binascii.Error):
            name, raw = "", b""
        if not name or len(raw) != 64:
            raise StoreError(f"{path} is not a secret key of a binary cache (NAME:BASE64)", hint=hint)
        return cls(name, raw[:32])

    @classmethod
    def ensure(cls, path: Path) -> "SigningKey":
        """Return the key at `path`; create it if it does not exist. Raises StoreError, OSError."""
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = cls(NAME, os.urandom(32))
            secret = base64.b64encode(made.seed + made._public)
            atomic.create(path, made.name.encode() + b":" + secret + b"\n", mode=0o600)
        return cls.load(path)

    @property
    def public(self) -> str:
        """Return the public key, in the format of trusted-public-keys in nix.conf(5)."""
        return f"{self.name}:{base64.b64encode(self._public).decode()}"

    def sign(self, text: str) -> str:
        """Return the signature of `text` in the format of a narinfo: NAME:BASE64."""
        from nacl.signing import SigningKey as Key

        return f"{self.name}:{base64.b64encode(Key(self.seed).sign(text.encode()).signature).decode()}"

    @property
    def _public(self) -> bytes:
        from nacl.signing import SigningKey as Key

        return bytes(Key(self.seed).verify_key)
