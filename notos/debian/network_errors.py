"""Errors between this host and a server: which of them pass, and what is said of them, in one line.

A host that does not exist, cannot be reached or refuses is an error at once; timeouts, connections that
break and answers of 5xx may pass, and are tried again by fetch.py.
"""

import errno
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from notos.errors import FetchError
from notos.host.proxy import Proxy, without_password

if TYPE_CHECKING:
    from requests import Response

OTHER_MIRROR = "name another mirror: debian.mirror in the config, or NOTOS_MIRROR"
BROKEN_MIRROR = f"the mirror is broken or being updated; try again later, or {OTHER_MIRROR}"
# What does not pass within seconds. A host that is only slow, or starts anew, answers otherwise.
_LASTING = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


class PassingError(Exception):
    """A failure that another attempt may not meet; `lasting` is what it becomes when no attempt helped."""

    def __init__(self, lasting: FetchError) -> None:
        super().__init__(lasting.message)
        self.lasting = lasting


class UnreachableError(FetchError):
    """A server, or a proxy before it, that does not answer."""


def check_status(answer: "Response", url: str, proxy: Proxy | None, hint: str = OTHER_MIRROR) -> None:
    """Raise for an answer that is neither all (200) nor a part (206) of the file."""
    if answer.status_code in (200, 206):
        return
    status = f"{answer.status_code} {answer.reason}"
    error = FetchError(
        f"{without_password(url)}: the server answers {status}", hint=f"try again later, or {hint}"
    )
    if proxy is not None:  # which may say so itself, or hand on what the server says
        error = FetchError(
            f"{without_password(url)}: the proxy {proxy} answers {status}", hint=_hint(proxy, status)
        )
    if answer.status_code >= 500 or answer.status_code in (408, 429):
        raise PassingError(error)
    raise error


def _hint(proxy: Proxy, status: str = "") -> str:
    if status.startswith("407"):
        return f"put a user and a password into {proxy.setting}: http://USER:PASSWORD@HOST:PORT"
    return proxy.hint


def route(proxy: Proxy | None) -> dict[str, str]:
    """Return a proxy as requests takes it."""
    return {"http": proxy.address, "https": proxy.address} if proxy else {}


def host(url: str) -> str:
    """Return the host and port of an address."""
    return urlsplit(without_password(url)).netloc


@contextmanager
def network(url: str, proxy: Proxy | None, hint: str = OTHER_MIRROR) -> Iterator[None]:
    """Turn what requests raises into our kinds, in one line each."""
    from requests import ConnectionError, RequestException, Timeout
    from requests.exceptions import ChunkedEncodingError, InvalidProxyURL, ProxyError, SSLError

    where, shown = host(url), without_password(url)
    through = f" through the proxy {proxy}" if proxy else ""
    try:
        yield
    except (ProxyError, InvalidProxyURL) as error:
        raise _of_proxy(error, proxy, where) from error
    except SSLError as error:
        raise FetchError(
            f"no secure connection to {where}{through}: {_reason(error)}",
            hint="check the clock and the CA bundle; REQUESTS_CA_BUNDLE names another one",
        ) from error
    except ChunkedEncodingError as error:
        raise PassingError(FetchError(f"{shown} broke off", hint=f"try again later, or {hint}")) from error
    except (ConnectionError, Timeout) as error:
        unreachable = UnreachableError(
            f"cannot reach {where}{through}: {_reason(error)}", hint=f"check the network, or {hint}"
        )
        raise (unreachable if _lasts(error) else PassingError(unreachable)) from error
    except RequestException as error:
        raise FetchError(f"cannot fetch {shown}: {_reason(error)}", hint=hint) from error


def _of_proxy(error: Exception, proxy: Proxy | None, where: str) -> Exception:
    """A proxy that does not answer, or refuses a tunnel to `where` (RFC 9110, 9.3.6)."""
    hint = _hint(proxy) if proxy else "check the proxy"
    if refused := re.search(r"Tunnel connection failed: (\d+ [^'\")]*)", str(error)):
        status = refused[1].strip()
        hint = _hint(proxy, status) if proxy else hint
        answers = FetchError(f"the proxy {proxy} answers {status} for {where}", hint=hint)
        return PassingError(answers) if status.startswith("5") else answers
    unreachable = UnreachableError(f"cannot reach the proxy {proxy}: {_reason(error)}", hint=hint)
    return unreachable if _lasts(error) else PassingError(unreachable)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """A chain of exceptions, `error` first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _lasts(error: BaseException) -> bool:
    """Return True for what another attempt some seconds later meets too."""
    return any(
        isinstance(each, socket.gaierror) or (isinstance(each, OSError) and each.errno in _LASTING)
        for each in _causes(error)
    )


def _reason(error: BaseException) -> str:
    """The system's words at the bottom of a chain of exceptions ("Connection refused")."""
    words = type(error).__name__
    for cause in _causes(error):
        words = getattr(cause, "strerror", None) or words
    return str(words)
