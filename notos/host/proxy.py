"""The proxy for a URL, and its name in messages. This module fetches nothing.

The variables are those of curl(1) and apt: http_proxy, https_proxy, all_proxy and no_proxy, in lower or
upper case. If none of the first three is set and apt names the mirror, apt's proxies apply.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from notos.errors import FetchError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Proxy:
    """A proxy: its address, including any password, and the name of the setting that it comes from."""

    address: str
    setting: str

    def __str__(self) -> str:
        return f"{without_password(self.address)} ({self.setting})"

    @property
    def hint(self) -> str:
        """Return the hint for an error of this proxy."""
        return f"correct {self.setting}, or unset it; no_proxy names hosts that need no proxy"


@dataclass(frozen=True)
class Proxies:
    """The proxies in this process' environment, otherwise those in `apt` (see apt.Apt)."""

    apt: Mapping[str, str] = field(default_factory=dict)

    def of(self, url: str) -> Proxy | None:
        """Return the proxy for `url`, None if there is none. Raises FetchError for an invalid address."""
        from requests.utils import select_proxy, should_bypass_proxies

        if should_bypass_proxies(url, no_proxy=None):
            return None
        scheme = urlsplit(url).scheme
        variables = [
            name for each in ("http", "https", "all") for name in (f"{each}_proxy", f"{each}_PROXY".upper())
        ]
        for name in variables:
            if name.lower().startswith((scheme + "_", "all_")) and (
                value := os.environ.get(name, "").strip()
            ):
                return _checked(value, name)
        if any(os.environ.get(each) for each in variables):
            return None
        chosen = select_proxy(url, dict(self.apt))
        return _checked(chosen, f"apt's Acquire::{scheme}::Proxy") if chosen else None


ENVIRONMENT = Proxies()  # without apt's


def without_password(url: str) -> str:
    """Return `url` without user name and password."""
    return re.sub(r"//[^/@]*@", "//", url)


def _checked(value: str, setting: str) -> Proxy:
    """Return the proxy with a scheme in its address. Raises FetchError for an invalid address."""
    address = value if _SCHEME.match(value) else f"http://{value}"
    proxy = Proxy(address, setting)
    try:
        parts = urlsplit(address)
        host, _ = parts.netloc.rpartition("@")[2], parts.port  # reading the port checks it
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme in ("http", "https") and _HOST.fullmatch(re.sub(r":\d*$", "", host)):
        return proxy
    if re.match(r"socks", address, re.IGNORECASE):
        raise FetchError(f"unsupported SOCKS proxy: {proxy}", hint="name an HTTP proxy: http://HOST:PORT")
    raise FetchError(f"invalid proxy address: {proxy}", hint="write it as http://HOST:PORT")
