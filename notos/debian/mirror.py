"""The mirrors that packages come from.

The first of these that names a mirror applies: the config, NOTOS_MIRROR and NOTOS_SECURITY_MIRROR,
host.yaml, this host's apt. See docs/hosts.md.
"""

import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from notos.config import host_settings
from notos.config.host_settings import HostSettings
from notos.config.model import Debian, Url
from notos.config.types import TEXTS
from notos.debian import apt
from notos.errors import FetchError, HostError
from notos.host.proxy import ENVIRONMENT, Proxies, without_password

EXAMPLE = "http://mirror.example/debian"
VARIABLE, SECURITY_VARIABLE = "NOTOS_MIRROR", "NOTOS_SECURITY_MIRROR"
UBUNTU_EXAMPLE, UBUNTU_VARIABLE = "http://mirror.example/ubuntu", "NOTOS_UBUNTU_MIRROR"


@dataclass(frozen=True)
class Mirrors:
    """The addresses of the main and the security archive, without a trailing slash.

    `others` are fallbacks, in this order. `pinned` means that the config names the mirror: its indexes are
    then the only ones that are read, and only .debs may come from a fallback.
    """

    main: str
    security: str
    others: tuple["Mirrors", ...] = ()
    pinned: bool = False
    proxies: Proxies = ENVIRONMENT


class UnknownMirrorError(FetchError):
    """No mirror is configured; `cause` is the reason why this host's apt names none."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"no mirror of Debian is named, and {cause}", hint=_what_to_type())
        self.cause = cause


def mirrors(
    debian: Debian, host: HostSettings | None = None, ask: Callable[[str], str | None] = lambda _: None
) -> Mirrors:
    """Return the mirrors for `debian` on a host with the settings `host`, by default those of host.yaml.

    If no mirror is known, `ask` is called with the reason and returns an address or None. The default
    security archive of a mirror …/debian is …/debian-security. Raises FetchError if an address is unknown,
    HostError for invalid settings.
    """
    settings = host_settings.load() if host is None else host
    if debian.distribution == "ubuntu":
        return _ubuntu(debian, settings)
    found = apt.Apt((), (), {})
    pinned = debian.mirror != "auto"
    wanted_main = None if pinned else _variable(VARIABLE)
    named = (debian.mirror if pinned else None) or wanted_main or settings.mirror
    if not named:
        try:
            found = apt.read()
            named = found.main[0]
        except FetchError as error:
            named = ask(error.message)
            if named is None:
                raise UnknownMirrorError(error.message) from error
    main = named.rstrip("/")
    security = debian.security_mirror if debian.security_mirror != "auto" else _variable(SECURITY_VARIABLE)
    if not security and (pinned or wanted_main):
        security = _beside(main)
    security = security or settings.security_mirror or next(iter(found.security), None) or _beside(main)
    if not security:
        raise FetchError(
            f"unknown security archive for the mirror {without_password(main)}",
            hint=f"set debian.security_mirror in the config, or {SECURITY_VARIABLE}",
        )
    security = security.rstrip("/")
    others = [each.rstrip("/") for each in (*settings.fallback_mirrors, *found.main[1:])]
    return Mirrors(
        main,
        security,
        tuple(Mirrors(each, _beside(each) or security) for each in dict.fromkeys(others) if each != main),
        pinned,
        Proxies(found.proxies),
    )


def _ubuntu(debian: Debian, settings: HostSettings) -> Mirrors:
    """Return the mirror of Ubuntu; a host's mirrors of Debian do not have it. Raises FetchError."""
    pinned = debian.mirror != "auto"
    main = (debian.mirror if pinned else None) or _variable(UBUNTU_VARIABLE) or settings.ubuntu_mirror
    if not main:
        raise FetchError(
            "no mirror of Ubuntu is named, and this host's mirror of Debian has no packages of Ubuntu",
            hint=f"set debian.mirror in the config, ubuntu_mirror in host.yaml, or for one run "
            f"{UBUNTU_VARIABLE}={UBUNTU_EXAMPLE} ./doit runvm",
            keys=("debian", "distribution"),
        )
    main = main.rstrip("/")
    security = main if debian.security_mirror == "auto" else debian.security_mirror.rstrip("/")
    return Mirrors(main, security, pinned=pinned)


def checked(address: str) -> str:
    """Return `address` without a trailing slash. Raises FetchError if it is not a valid address."""
    kind = TEXTS[Url]
    if not re.fullmatch(kind.pattern, address):
        raise FetchError(
            f"invalid address: {without_password(address)!r}",
            hint=f"write {kind.form}, for example {EXAMPLE}",
        )
    return address.rstrip("/")


def _variable(name: str) -> str | None:
    value = os.environ.get(name, "").strip()
    if not value:
        return None
    try:
        return checked(value)
    except FetchError as error:
        raise FetchError(f"{name}: {error.message}", hint=error.hint) from None


def _beside(main: str) -> str | None:
    return f"{main}-security" if main.endswith("/debian") else None


def _what_to_type() -> str:
    """Return the commands that name a mirror: permanently, and for one run."""
    once = f"{VARIABLE}={EXAMPLE} ./doit runvm"
    try:
        file = host_settings.path()
    except HostError:
        return f"name one near you: {once}"
    folder = "" if file.parent.is_dir() else f"mkdir -p {shlex.quote(str(file.parent))}; "
    keep = f"{folder}echo 'mirror: {EXAMPLE}' >>{shlex.quote(str(file))}"
    return f"name one near you: {keep}, or for one run {once}"
