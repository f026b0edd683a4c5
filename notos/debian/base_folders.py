"""The folders of every machine, with the modes, groups and links of Debian's package base-files.

stage-2 makes them (scripts/stage2/init): in a new root file system from one archive, because each process
counts at boot, and later those that are missing, by a table.
"""

from typing import NamedTuple


class BaseFolder(NamedTuple):
    """A folder by its path without a leading slash. The owner is root."""

    path: str
    mode: int = 0o755
    group: int = 0


_MAIL, _STAFF = 8, 50  # base-passwd, group.master
FOLDERS = (
    *(BaseFolder(path) for path in ("dev/pts", "dev/shm", "home", "media", "mnt", "opt")),
    BaseFolder("root", 0o700),
    BaseFolder("run/lock", 0o1777),
    BaseFolder("srv"),
    BaseFolder("tmp", 0o1777),
    *(BaseFolder(f"var/{name}") for name in ("backups", "cache", "empty", "lib", "lib/misc", "lib/notos")),
    BaseFolder("var/local", 0o2775, _STAFF),
    BaseFolder("var/log"),
    BaseFolder("var/mail", 0o2775, _MAIL),
    *(BaseFolder(f"var/{name}") for name in ("opt", "spool")),
    BaseFolder("var/tmp", 0o1777),
)
LINKS = {"var/lock": "/run/lock", "var/run": "/run", "var/spool/mail": "../mail"}
PATHS = frozenset(each.path for each in FOLDERS)


def table() -> bytes:
    """Return the folders as lines of text: mode in octal, number of the group, absolute path."""
    return "".join(f"{each.mode:04o} {each.group} /{each.path}\n" for each in FOLDERS).encode()


def archive() -> bytes:
    """Return a tar archive (POSIX ustar) of the folders and links."""
    import io
    import tarfile

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for each in FOLDERS:
            member = tarfile.TarInfo(each.path)
            member.type, member.mode, member.gid = tarfile.DIRTYPE, each.mode, each.group
            tar.addfile(member)
        for path, target in LINKS.items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(member)
    return stream.getvalue()
