"""Files that tmpfiles.d(5) declares, created at boot by a short shell fragment, in place of systemd-tmpfiles.

line           one line as a value
plan           the order of lines, and which of them count
shell          a plan as a shell fragment
functions.sh   the functions that fragments use

The fragment does what `systemd-tmpfiles --create --remove --boot` of systemd 257 does at boot, and what
`--create` does at a switch. tests/system/test_tmpfiles.py compares the two. The exceptions are:

- Lines for folders that are read-only, or that no Debian system has, have no effect; see WRITABLE.
- t, T, a, A, h and H have no effect: busybox cannot set extended attributes, access control lists and file
  attributes. In the config they are errors.
- Lines with ^ have no effect: Notos passes no credentials of systemd.
- Ages have no effect: nothing is cleaned up while the machine runs.
- Paths with ".." have no effect.
- v, q and Q create folders: no root file system here is btrfs.
- %q is the host name: machine-info(5) is not read.
- D and R ignore locks, and remove sockets: at boot nobody holds the one or listens on the other.
- A folder is not copied (C) into itself.
- Copies (C) of files in /usr are writable by their owner: a store object cannot be.
- A link that does not belong to root is an unsafe path, even if it stays in the folders of its owner.
- An unknown account is an error of the build, not a message at boot.

Modules without a test module of their own name are tested by

    tests/system/test_tmpfiles.py: line, plan, shell
"""

from collections.abc import Iterator, Mapping

from notos import errors
from notos.errors import NotosError
from notos.system.conf_words import ANY_RELEASE, LineError, lines
from notos.system.tmpfiles.line import FOLDERS, UNSUPPORTED, Line, parsed
from notos.system.tmpfiles.plan import Plan
from notos.system.tmpfiles.shell import Accounts, fragment

__all__ = ["WRITABLE", "Accounts", "mistakes", "script"]

WRITABLE = ("/run/", "/var/", "/tmp/", "/root/", "/home/", "/srv/", "/nix/var/")
# Folders of other parts of the system: lines may change what is in them, but a config has better means.
_ALSO = ("/etc/", "/dev/", "/proc/", "/sys/")
_ITSELF = FOLDERS | set("zmZe")  # types for a folder of WRITABLE itself


def script(
    files: Mapping[str, str], *, accounts: Accounts | None = None, release: Mapping[str, str] | None = None
) -> str:
    """Return the fragment for `files`, texts of tmpfiles.d files by file name. Paths are below "$root".

    Lines that remove things and those with ! apply if "$boot" is set. With `accounts`, owners become numbers.
    `release` has the fields of os-release(5). Raises NotosError with file and line for invalid lines and
    unknown accounts.
    """
    found: list[Line] = []
    problems: list[NotosError] = []
    for name in sorted(files):
        for number, text in lines(files[name]):
            try:
                line = parsed(text, release or {})
            except LineError as mistake:
                problems.append(_error(name, number, str(mistake), "correct the line"))
                continue
            found.append(line)
            problems += _unknown(line, name, number, accounts)
    errors.raise_all(problems)
    return fragment(Plan(found, boot=True), Plan(found, boot=False), accounts, _can_be_made)


def mistakes(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, of each invalid or ineffective line of a tmpfiles.d file, and the reason."""
    folders = ", ".join(each.rstrip("/") for each in WRITABLE)
    for number, raw in lines(text):
        try:
            line = parsed(raw, ANY_RELEASE)
        except LineError as mistake:
            yield number, f"{mistake}; correct the line"
            continue
        if line.kind in UNSUPPORTED:
            needs = UNSUPPORTED[line.kind]
            yield (
                number,
                f"lines of type {line.kind} have no effect: busybox cannot set {needs}; remove the line",
            )
        elif "^" in line.modifiers:
            yield number, f"{line.path} is not created: credentials (^) are not passed; write the text itself"
        elif not _can_be_made(line):
            yield (
                number,
                f"{line.path} cannot be created: only {folders} are for tmpfiles.d; choose a path below one, "
                "or use `files`, which creates other folders with their owner",
            )


def _can_be_made(line: Line) -> bool:
    """Return True for a path in a writable folder, and for the mode and owner of such a folder."""
    if ".." in line.path.split("/"):
        return False
    own = line.kind in _ITSELF and f"{line.path}/" in WRITABLE
    return own or line.path.startswith((*WRITABLE, *_ALSO))


def _unknown(line: Line, name: str, number: int, accounts: Accounts | None) -> Iterator[NotosError]:
    """Yield an error for each account of `line` that does not exist."""
    if accounts is None or not _can_be_made(line) or line.kind in UNSUPPORTED:
        return
    for kind, account, known in (("user", line.user, accounts.users), ("group", line.group, accounts.groups)):
        if account is not None and account != "root" and not account.isdigit() and account not in known:
            letter = kind[0]
            yield _error(
                name,
                number,
                f"the {kind} {account} does not exist",
                f"declare it in a file of sysusers.d: `{letter} {account} -`",
            )


def _error(name: str, number: int, message: str, hint: str) -> NotosError:
    return NotosError(f"tmpfiles.d/{name}:{number}: {message}", hint=hint, keys=("etc", f"tmpfiles.d/{name}"))
