"""The question for a mirror, on a terminal if no mirror is known. host.yaml stores the answer."""

import sys

from tasks import reporter
from tasks.config import MACHINE


def ask(cause: str) -> str | None:
    """Return the mirror that the user types, after a test. Return None without a terminal or an answer.

    `cause` is the reason why no mirror is known. Raises HostError if host.yaml cannot be written.
    """
    from notos.config import host_settings
    from notos.debian import archive, mirror
    from notos.errors import FetchError

    if sys.stdin is None or not sys.stdin.isatty() or not sys.stderr.isatty():
        return None
    reporter.clear()
    _say(f"No mirror of Debian is named, and {cause}.\nThe address of one near you, as {mirror.EXAMPLE}:\n")
    while True:
        _say("mirror: ")
        answer = sys.stdin.readline().strip()
        if not answer:
            return None
        try:
            address = mirror.checked(answer)
            archive.signed(
                address,
                MACHINE.debian.suite,
                archive.trust(MACHINE.debian),
                check_valid_until=MACHINE.debian.check_valid_until,
            )
        except FetchError as error:
            _say(f"{error.message}; another one, or Enter to give up\n")
            continue
        _say(f"kept in {host_settings.keep_mirror(address)}\n")
        return address


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
