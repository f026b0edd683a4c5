"""Network errors as one-line messages, and which of them are temporary.

An unknown or unreachable host or a refused connection is an error at once. Timeouts, broken connections
and 5xx responses may be temporary, and download.py tries again.
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
# Errors that do not pass within seconds. A slow or restarting host gives other errors.
_LASTING = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


class PassingError(Exception):
    """A temporary failure; `lasting` is the error to raise after the last attempt."""

    def __init__(self, lasting: FetchError) -> None:
        super().__init__(lasting.message)
        self.lasting = lasting


class UnreachableError(FetchError):
    """A server or proxy that does not answer."""


def check_status(answer: "Response", url: str, proxy: Proxy | None, hint: str = OTHER_MIRROR) -> None:
    """Raise PassingError or FetchError unless the response has the whole file (200) or a range (206)."""
    if answer.status_code in (200, 206):
        return
    status = f"{answer.status_code} {answer.reason}"
    error = FetchError(
        f"{without_password(url)}: the server answers {status}", hint=f"try again later, or {hint}"
    )
    if proxy is not None:  # the status may be the proxy's or the server's
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
    """Return the argument `proxies` of requests."""
    return {"http": proxy.address, "https": proxy.address} if proxy else {}


def host(url: str) -> str:
    """Return the host and port of a URL."""
    return urlsplit(without_password(url)).netloc


@contextmanager
def network(url: str, proxy: Proxy | None, hint: str = OTHER_MIRROR) -> Iterator[None]:
    """Convert exceptions of requests to FetchError or PassingError with a one-line message."""
    from requests import ConnectionError, RequestException, Timeout
    from requests.exceptions import ChunkedEncodingError, InvalidProxyURL, ProxyError, SSLError

    server, shown = host(url), without_password(url)
    through = f" through the proxy {proxy}" if proxy else ""
    try:
        yield
    except (ProxyError, InvalidProxyURL) as error:
        raise _of_proxy(error, proxy, server) from error
    except SSLError as error:
        raise FetchError(
            f"no secure connection to {server}{through}: {_reason(error)}",
            hint="check this host's clock and CA certificates; REQUESTS_CA_BUNDLE names another CA bundle",
        ) from error
    except ChunkedEncodingError as error:
        raise PassingError(
            FetchError(f"connection lost during the transfer of {shown}", hint=f"try again later, or {hint}")
        ) from error
    except (ConnectionError, Timeout) as error:
        unreachable = UnreachableError(
            f"cannot reach {server}{through}: {_reason(error)}", hint=f"check the network, or {hint}"
        )
        raise (unreachable if _lasts(error) else PassingError(unreachable)) from error
    except RequestException as error:
        raise FetchError(f"cannot fetch {shown}: {_reason(error)}", hint=hint) from error


def _of_proxy(error: Exception, proxy: Proxy | None, server: str) -> Exception:
    """Return the error for a proxy that does not answer or refuses a tunnel to `server` (RFC 9110, 9.3.6)."""
    hint = _hint(proxy) if proxy else "check the proxy"
    if refused := re.search(r"Tunnel connection failed: (\d+ [^'\")]*)", str(error)):
        status = refused[1].strip()
        hint = _hint(proxy, status) if proxy else hint
        answers = FetchError(f"the proxy {proxy} answers {status} for {server}", hint=hint)
        return PassingError(answers) if status.startswith("5") else answers
    unreachable = UnreachableError(f"cannot reach the proxy {proxy}: {_reason(error)}", hint=hint)
    return unreachable if _lasts(error) else PassingError(unreachable)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error`, its cause, the cause of that, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _lasts(error: BaseException) -> bool:
    """Return True if the error does not pass within seconds."""
    return any(
        isinstance(each, socket.gaierror) or (isinstance(each, OSError) and each.errno in _LASTING)
        for each in _causes(error)
    )


def _reason(error: BaseException) -> str:
    """Return the system's message at the end of a chain of exceptions, for example "Connection refused"."""
    message = type(error).__name__
    for cause in _causes(error):
        message = getattr(cause, "strerror", None) or message
    return str(message)
