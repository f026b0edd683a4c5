"""One version of a Debian package, as recorded in the index of an archive and in config.lock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from notos.debian.download import Download
from notos.debian.mirror import Mirrors
from notos.debian.relation import unrestricted
from notos.errors import LockError

SHAPES = {
    "name": re.compile(r"[a-z0-9][a-z0-9+.-]+"),  # Debian policy 5.6.1
    "version": re.compile(r"[0-9][A-Za-z0-9.+:~-]*"),  # 5.6.12
    "architecture": re.compile(r"[a-z0-9-]+"),
    "origin": re.compile(r"main|security|ubuntu|local|https?://[!-~]+"),
    "suite": re.compile(r"[!-~]*"),
    "filename": re.compile(r"(?:(?!\.\.?/)[A-Za-z0-9.+:~_%-]+/)*[A-Za-z0-9.+:~_%-]+\.deb"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
}
_NEEDED = ("Package", "Version", "Architecture", "Filename", "Size", "SHA256")

LOCAL = "local"  # the origin of a .deb of the user
WRONG = "the source is broken or being updated; try again later, or run `./doit lock`"
UNREACHABLE = "check the url in debian.sources"


@dataclass(frozen=True)
class LockedPackage:
    """One version of a package, with all its metadata that a build uses.

    `origin` is the archive that has it: "main" or "security" of Debian, "ubuntu", the URL of a further
    source, or "local" for a file of the user. `filename` is its path in that, `size` is in bytes. `suite` is
    the suite of `debian.sources` that has it, empty for the release itself. `depends` is the text of
    Pre-Depends and Depends, `provides` that of Provides, `conflicts` that of Conflicts and Breaks. Raises
    LockError for an invalid field.
    """

    name: str
    version: str
    architecture: str
    origin: str
    filename: str
    size: int
    sha256: str
    depends: str = ""
    provides: str = ""
    conflicts: str = ""
    suite: str = ""

    def __post_init__(self) -> None:
        for field, shape in SHAPES.items():
            value = getattr(self, field)
            if not isinstance(value, str) or not shape.fullmatch(value):
                raise LockError(f"package {self.name}: invalid {field}: {value!r}")
        if not isinstance(self.size, int) or self.size < 0:
            raise LockError(f"package {self.name}: invalid size: {self.size!r}")

    @property
    def source(self) -> str:
        """The archive and the suite that have the package, for messages."""
        if "://" in self.origin:
            return f"{self.origin} {self.suite}"
        return "the config's file" if self.origin == "local" else self.suite or "the release"

    @property
    def is_own(self) -> bool:
        """True if the package is one of the distribution's release, its updates or its security fixes."""
        return not self.suite and self.origin != "local"

    def download(self, mirrors: Mirrors) -> Download:
        """Return the download of the .deb. The mirrors are not used for a source with a URL."""
        name = f"{self.name} {self.version}"
        if "://" in self.origin:
            url = f"{self.origin}/{self.filename}"
            return Download(name, url, self.size, self.sha256, wrong=WRONG, unreachable=UNREACHABLE)
        every = (mirrors, *mirrors.others)
        places = [each.security if self.origin == "security" else each.main for each in every]
        if self.origin == "ubuntu":  # one pool; a fix may not have reached the mirror yet
            places += [each.security for each in every]
        urls = list(dict.fromkeys(f"{each}/{self.filename}" for each in places))
        return Download(name, urls[0], self.size, self.sha256, others=tuple(urls[1:]))


def of_stanza(stanza: Mapping[str, str], origin: str, architecture: str, suite: str = "") -> LockedPackage:
    """Return the package of a stanza in an index, for Debian's `architecture`. Raises LockError."""
    name = stanza.get("Package")
    if lacking := [each for each in _NEEDED if not stanza.get(each)]:
        hint = "an index must have sha256 hashes" if "SHA256" in lacking else "the archive is broken"
        raise LockError(f"the index of {origin} has no {lacking[0]} for {name}", hint=hint)
    try:
        return LockedPackage(
            name=stanza["Package"],
            version=stanza["Version"],
            architecture=stanza["Architecture"],
            origin=origin,
            filename=stanza["Filename"].removeprefix("./"),
            size=int(stanza["Size"]),
            sha256=stanza["SHA256"],
            depends=_joined(architecture, stanza, "Pre-Depends", "Depends"),
            provides=_joined(architecture, stanza, "Provides"),
            conflicts=_joined(architecture, stanza, "Conflicts", "Breaks"),
            suite=suite,
        )
    except ValueError as error:
        raise LockError(f"invalid stanza of {name} in the index: {error}") from error


def _joined(architecture: str, stanza: Mapping[str, str], *fields: str) -> str:
    return ", ".join(unrestricted(stanza[each], architecture) for each in fields if stanza.get(each))
