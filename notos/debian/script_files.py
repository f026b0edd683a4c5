"""The files that a maintainer script sees: those of the installed packages, and its own changes above them.

Nothing is written to this host. A path is known if a package or the script itself decides about it; what
only a running system has (/proc, /home, accounts, …) is unknown.
"""

import fnmatch
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from notos.debian import base_folders, modes, name_sources
from notos.debian.deb import Attributes
from notos.formats.tree import File, Symlink, Tree
from notos.formats.usr_merge import merged


@dataclass(frozen=True)
class Node:
    """An entry at a path.

    kind         d (folder), f (file), l (link), "" (nothing) or ? (unknown)
    content      of a file, None if it is unknown
    mode         None for the usual one
    owner, group "" for root
    """

    kind: str
    content: bytes | None = None
    mode: int | None = None
    owner: str = ""
    group: str = ""
    target: str = ""

    @property
    def executable(self) -> bool:
        """Return True for a file that its owner may execute."""
        return bool((self.mode or 0) & 0o100)

    @property
    def bits(self) -> int:
        """Return the mode, the usual one by default."""
        return self.mode if self.mode is not None else 0o755 if self.kind == "d" else 0o644


ABSENT, UNKNOWN, FOLDER = Node(""), Node("?"), Node("d")

# Paths of which a new system has more than its packages' files; /bin/sh may be that of busybox.
_OTHERS = re.compile(
    r"(?:boot|dev|home|media|mnt|proc|root|sys|tmp|var/tmp|var/cache/debconf|var/lib/dpkg|etc/alternatives)(?:/.*)?"
    r"|usr/bin/sh|etc/(?:passwd|group|shadow|gshadow|sub[ug]id|hosts|hostname|resolv\.conf|fstab|mtab|machine-id|timezone"
    r"|localtime|adjtime|shells|locale\.gen|environment|default/locale)-?"
)
_STANDARD = base_folders.PATHS | {
    "",
    "etc",
    "run",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/sbin",
    "usr/share",
    "var",
}
_MOST_LINKS = 20


class Packages:
    """The files of packages.

    `folders` are those without files, `attributes` are modes that a tree lacks. `left_out` are paths of
    packages that `tree` may lack. `diverted` are the new paths of diverted ones. All are usr-merged paths.
    Without `whole` the tree has a few packages only: a path below /usr that it lacks is unknown.
    """

    def __init__(
        self,
        tree: Tree,
        folders: Iterable[str] = (),
        left_out: Callable[[str], bool] = lambda _path: False,
        *,
        attributes: Mapping[str, Attributes] = {},
        diverted: Mapping[str, str] = {},
        whole: bool = True,
    ) -> None:
        self._tree = tree
        self._folders = frozenset(folders)
        self._left_out = left_out
        self._attributes = attributes
        self._diverted = diverted
        self._whole = whole

    def look(self, path: str) -> Node:
        """Return the entry at a usr-merged path; its last link is not followed."""
        entry = self._tree.get(path)
        if isinstance(entry, File):
            content = entry.content if isinstance(entry.content, bytes) else None
            return self._owned(path, Node("f", content, 0o755 if entry.executable else 0o644))
        if isinstance(entry, Symlink):
            return Node("l", target=entry.target)
        if entry is not None or path in self._all_folders:
            return self._owned(path, FOLDER)
        if path == name_sources.PATH:
            return Node("f", name_sources.TEXT.encode())
        if self._left_out(path) or self._left_out(f"{path}/x") or _OTHERS.fullmatch(path):
            return UNKNOWN
        return UNKNOWN if not self._whole and path.startswith("usr/") else ABSENT

    def _owned(self, path: str, node: Node) -> Node:
        known = self._attributes.get(path)
        return replace(node, mode=known.mode, owner=known.owner, group=known.group) if known else node

    def true_name(self, path: str) -> str:
        """Return the absolute path to which an absolute path is diverted, by default itself."""
        target = self._diverted.get(merged(path.lstrip("/")))
        return path if target is None else f"/{target}"

    def names(self, folder: str) -> list[str] | None:
        """Return the names in a folder, None if they are unknown."""
        if self._left_out(f"{folder}/x") or _OTHERS.fullmatch(folder):
            return None
        return None if not self._whole and folder.startswith("usr") else self._names.get(folder, [])

    @cached_property
    def _all_folders(self) -> frozenset[str]:
        found = set(_STANDARD)
        for path in (*self._folders, *(posixpath.dirname(path) for path, _ in self._tree.items())):
            above = path
            while above and above not in found:
                found.add(above)
                above = posixpath.dirname(above)
        return frozenset(found)

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        found: dict[str, set[str]] = {}
        for path in (*self._all_folders, *(path for path, _ in self._tree.items())):
            folder, _, name = path.rpartition("/")
            found.setdefault(folder, set()).add(name)
        return {folder: sorted(names - {""}) for folder, names in found.items()}


class Files:
    """The files of `packages`, None if these are unknown, with the changes of one package's scripts."""

    def __init__(self, packages: Packages | None = None) -> None:
        self._packages = packages
        self._changes: dict[str, Node] = {}
        # Apart from the entries: of an entry whose mode may be changed, the content stays known.
        self._modes: dict[str, Node] = {}
        self._scratch = 0
        self.umask = 0o022  # that of dpkg
        # All changes of entries so far, by usr-merged path.
        self.journal: list[tuple[str, Node]] = []

    def look(self, path: str | None, *, follow: bool = True) -> Node:
        """Return the entry at an absolute path; a link is followed by default."""
        if not path or not path.startswith("/"):
            return UNKNOWN
        node = UNKNOWN
        for _ in range(_MOST_LINKS):
            place = self._place(path)
            node = self._at(place)
            if node.kind != "l" or not follow:
                return node
            path = posixpath.normpath(posixpath.join("/", posixpath.dirname(place), node.target))
        return UNKNOWN

    def true_name(self, path: str) -> str:
        """Return the path to which an absolute path is diverted, by default itself (dpkg-divert(1))."""
        return self._packages.true_name(path) if self._packages else path

    def text(self, path: str) -> str | None:
        """Return the text of a file, "" if it is missing; None if it is unknown."""
        node = self.look(path)
        if path == "/dev/null" or node.kind == "":
            return ""
        return node.content.decode(errors="surrogateescape") if node.content is not None else None

    def glob(self, pattern: str) -> list[str] | None:
        """Return the paths that match an absolute pattern, sorted; None if they are unknown."""
        if not pattern.startswith("/"):
            return None
        found = [""]
        for part in pattern.strip("/").split("/"):
            if not re.search(r"[*?\[]", part):
                found = [f"{path}/{part}" for path in found]
                continue
            matches = []
            for folder in found:
                names = self._names(folder)
                if names is None:
                    return None
                hidden = part.startswith(".")
                matches += [
                    f"{folder}/{name}"
                    for name in names
                    if fnmatch.fnmatchcase(name, part) and name.startswith(".") == hidden
                ]
            found = matches
        nodes = [(path, self.look(path, follow=False).kind) for path in found]
        return None if any(kind == "?" for _, kind in nodes) else sorted(path for path, kind in nodes if kind)

    @property
    def made(self) -> dict[str, Node]:
        """Return the files with a known content, and the links, that the script makes, by usr-merged path."""
        return {
            path: self._at(path)
            for path, node in sorted(self._changes.items())
            if node.kind == "l" or (node.kind == "f" and node.content is not None)
        }

    # --- changes

    def change(self, path: str, node: Node) -> None:
        """Put `node` at an absolute path."""
        place = self._place(path)
        self._changes[place] = node
        self._modes.pop(place, None)
        self.journal.append((place, node))
        if node.kind in ("d", "f", "l"):
            while place := posixpath.dirname(place):
                if self._at(place).kind in ("", "?"):
                    self._changes[place] = FOLDER

    def write(self, path: str, content: bytes | None, *, append: bool = False) -> None:
        """Write a file, or add to it; None is an unknown content."""
        present = self.look(path)
        before = present.content if present.kind == "f" else b"" if present.kind == "" else None
        if append and (before is None or content is None):
            content = None
        elif append and before is not None and content is not None:
            content = before + content
        made = replace(present, content=content) if present.kind == "f" else self.new("f", content)
        self.change(path, made)

    def remove(self, path: str) -> None:
        """Remove an entry, and what the script has made below it."""
        place = self._place(path)
        for below in [each for each in self._changes if each.startswith(f"{place}/")]:
            self._changes[below] = ABSENT
        for below in [each for each in self._modes if f"{each}/".startswith(f"{place}/")]:
            del self._modes[below]
        self._changes[place] = ABSENT
        self.journal.append((place, ABSENT))

    def made_here(self, path: str) -> bool:
        """Return True if the script has made the entry."""
        return self._changes.get(self._place(path), ABSENT).kind in ("d", "f", "l")

    def lay_out(self) -> None:
        """Put the packages' files over the changes so far: dpkg does so after a preinst."""
        if self._packages is not None:
            for path in list(self._changes):
                if self._packages.look(path).kind in ("d", "f", "l"):
                    del self._changes[path]
            for path in list(self._modes):
                if self._packages.look(path).kind in ("d", "f", "l"):
                    del self._modes[path]

    def new(self, kind: str, content: bytes | None = None) -> Node:
        """Return a new file or folder with the mode that the umask gives."""
        return Node(kind, content, (0o777 if kind == "d" else 0o666) & ~self.umask)

    def scratch(self, *, folder: bool = False) -> str:
        """Make a file or folder of its own, and return its path."""
        self._scratch += 1
        path = f"/tmp/script.{self._scratch}"
        self.change(path, Node("d", mode=0o700) if folder else Node("f", b"", 0o600))
        return path

    def state(self) -> dict[str, Node]:
        """Return the changes so far, for doubt()."""
        return dict(self._changes)

    def doubt(self, before: dict[str, Node]) -> None:
        """Make unknown what has changed since state() returned `before`: the script may not do it."""
        for path, node in self._changes.items():
            if before.get(path) != node:
                self._changes[path] = UNKNOWN

    def adjust(self, path: str, wanted: modes.Change) -> None:
        """Change the mode or the owners of a file or a folder, and of the entries below it if so wanted."""
        node = self.look(path)
        if node.kind == "d" and wanted.recursive:
            for below in (*(self.glob(f"{path}/*") or ()), *(self.glob(f"{path}/.*") or ())):
                if self.look(below, follow=False).kind != "l":
                    self.adjust(below, wanted)
        if node.kind in ("d", "f"):
            mode = modes.changed(node.bits, wanted.mode, folder=node.kind == "d", umask=self.umask)
            self._modes[self._place(path)] = replace(
                node,
                mode=mode if wanted.mode else node.mode,
                owner=wanted.owner or node.owner,
                group=wanted.group or node.group,
            )

    def _place(self, path: str) -> str:
        """Return the usr-merged path, with links among the folders followed."""
        parts = [part for part in posixpath.normpath(path).split("/") if part]
        place = ""
        for number, part in enumerate(parts):
            place = merged(f"{place}/{part}".lstrip("/"))
            if place == "var/run":
                place = "run"
            if number < len(parts) - 1 and (node := self._at(place)).kind == "l":
                place = posixpath.normpath(posixpath.join("/", posixpath.dirname(place), node.target))[1:]
        return place

    def _at(self, place: str) -> Node:
        node = self._changes.get(place)
        if node is None:
            node = self._packages.look(place) if self._packages else UNKNOWN
        other = self._modes.get(place)
        if other is None or other.kind != node.kind:
            return node
        return replace(node, mode=other.mode, owner=other.owner, group=other.group)

    def _names(self, folder: str) -> list[str] | None:
        place = self._place(folder)
        if self._packages is None or (names := self._packages.names(place)) is None:
            return None
        prefix = f"{place}/"
        own = {each.removeprefix(prefix) for each in self._changes if each.startswith(prefix)}
        return sorted({*names, *(name for name in own if "/" not in name)})
