"""Login on the console: a login prompt, or a root shell without a password."""

from collections.abc import Iterator

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place, place_of
from notos.features.model import Feature, Service

KEYS = ("console",)

_CHECKED_BY_LOGIN = ("$1$", "$5$", "$6$")  # the kinds of hashes that busybox's login knows


def feature(machine: Machine) -> Feature:
    """Return the service that runs the prompt or the shell, if the config selects one."""
    if machine.console == "none":
        return Feature()
    return Feature(
        services=(Service(name="console", folder=f"console-{machine.console}"),),
        reserved_services={"console": "console: none"},
    )


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    if machine.console != "login":
        return
    hashes = {name: user.password_hash for name, user in machine.users.items() if user.password_hash}
    if not hashes:
        message = "a login on the console needs an account with a password; set users.root.password_hash"
        yield Problem(f"{message}, or select a shell", key_place(node, "console"))
    for name, hashed in hashes.items():
        if not hashed.startswith(_CHECKED_BY_LOGIN):
            message = f"users.{name}.password_hash: the login on the console cannot check this kind of hash"
            place = place_of(node, "users", name, "password_hash")
            yield Problem(f"{message}; make one with `openssl passwd -6`", place)


CHECKS: Checks = {Machine: _problems}
