"""Which mirrors packages come from: those that the config names, or that this host's apt uses."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from notos.errors import FetchError, ToolError
from notos.machine import Debian
from notos.run import run

_HINT = "set debian.mirror in the config to an address such as http://mirror.example/debian"
# One target a line; apt leaves Origin and Label empty while it has no index of the target yet.
_FORMAT = "$(REPO_URI)\t$(ORIGIN)\t$(LABEL)"


@dataclass(frozen=True)
class Mirrors:
    """The addresses of the main and the security archive, without a slash at the end."""

    main: str
    security: str


def mirrors(debian: Debian) -> Mirrors:
    """The mirrors that `debian` means; asks this host's apt for what is `auto`.

    A main mirror's security archive is beside it (…/debian-security) unless something else is said.
    Raises FetchError when that leaves one of them unknown.
    """
    found = of_apt(_targets()) if debian.mirror == "auto" else {"main": debian.mirror.rstrip("/")}
    if debian.security_mirror != "auto":
        found["security"] = debian.security_mirror.rstrip("/")
    main = found["main"]
    if "security" not in found:
        if not main.endswith("/debian"):
            raise FetchError(
                f"no security archive is known for the mirror {main}",
                hint="set debian.security_mirror in the config",
            )
        found["security"] = f"{main}-security"
    return Mirrors(main, found["security"])


def of_apt(targets: Iterable[str]) -> dict[str, str]:
    """The mirrors ("main", and "security" if any) in the lines that `apt-get indextargets` prints.

    Raises FetchError when there is no Debian mirror among them.
    """
    found: dict[str, str] = {}
    for target in targets:
        uri, origin, label = (*target.split("\t"), "", "")[:3]
        address = uri.rstrip("/")
        if not address.startswith(("http://", "https://")):
            continue
        if not origin:  # never updated: the address has to do
            origin, label = (
                "Debian",
                {"debian": "Debian", "debian-security": "Debian-Security"}.get(
                    address.rpartition("/")[2], ""
                ),
            )
        kind = {"Debian": "main", "Debian-Security": "security"}.get(label)
        if origin == "Debian" and kind:
            found.setdefault(kind, address)
    if "main" not in found:
        raise FetchError("this host's apt knows no mirror of Debian", hint=_HINT)
    return found


def _targets() -> list[str]:
    # The one program of the host's own that is ever asked: only it knows how it reaches Debian.
    apt = shutil.which("apt-get")
    if apt is None:
        raise FetchError("this host has no apt to ask for a mirror of Debian", hint=_HINT)
    try:
        return run([apt, "indextargets", "--format", _FORMAT], env=os.environ).decode().splitlines()
    except ToolError as error:
        raise FetchError(f"this host's apt does not tell its mirrors: {error.message}", hint=_HINT) from error
