"""The shell fragment that copies setuid programs to /run/wrappers, with modes, owners and capabilities.

notos.integration.setuid selects the programs. /run/wrappers is a file system of its own: it alone is mounted
without nosuid. Each activation fills a new folder and replaces the link /run/wrappers/bin in one step.
"""

import json
import shlex
from collections.abc import Mapping

from notos.errors import NotosError
from notos.formats.tree import File, Tree
from notos.integration import setuid

_TABLE = setuid.TABLE.removeprefix("usr/")
_ORIGINALS = "/" + setuid.ORIGINALS


def fragment(system: Tree, accounts: Mapping[str, str]) -> str:
    """Return the fragment for system-path's tree `system`, "" if it has no such programs.

    `accounts` are the texts of passwd and group. Raises NotosError for an owner without an account.
    """
    wrappers = table(system)
    if not wrappers:
        return ""
    names = [shlex.quote(each.name) for each in wrappers]
    lines = [f'cp {" ".join(f"{_ORIGINALS}/{name}" for name in names)} "$wrappers"']
    owners = {each.name: _owner(each, accounts) for each in wrappers}
    modes = {each.name: each.mode for each in wrappers}
    capabilities = {each.name: each.capabilities for each in wrappers if each.capabilities}
    # Owners come first: chown(1) clears setuid and capabilities.
    for command, values in (("chown", owners), ("chmod", modes), ("setcap", capabilities)):
        for value in sorted(set(values.values())):
            if value == "0:0":
                continue
            paths = [f'"$wrappers"/{shlex.quote(name)}' for name in values if values[name] == value]
            if command == "setcap":
                lines += [f"setcap {value} {path}" for path in paths]
            else:
                lines.append(f"{command} {value} {' '.join(paths)}")
    return "".join(f"{line}\n" for line in lines)


def table(system: Tree) -> list[setuid.Wrapper]:
    """Return the selected programs of system-path's tree `system`."""
    entry = system.get(_TABLE)
    return [setuid.Wrapper(**row) for row in json.loads(entry.read())] if isinstance(entry, File) else []


def _owner(wrapper: setuid.Wrapper, accounts: Mapping[str, str]) -> str:
    numbers = []
    for name, file in ((wrapper.owner, "passwd"), (wrapper.group, "group")):
        rows = {row[0]: row[2] for row in (line.split(":") for line in accounts[file].splitlines())}
        number = name if name.isdigit() else rows.get(name)
        if number is None:
            raise NotosError(
                f"the setuid program {wrapper.name} belongs to {name}, which has no account",
                hint="declare it in etc, sysusers.d/NAME.conf",
            )
        numbers.append(number)
    return ":".join(numbers)
