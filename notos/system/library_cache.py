"""/etc/ld.so.cache, as by ldconfig(8): a machine has it if a folder besides ld.so's own has libraries.

Such folders are /usr/local/lib and those that packages or the config name in /etc/ld.so.conf.d. ld.so
searches its own folders without the cache too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from notos.architecture import Architecture
from notos.formats import elf, library_cache
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.formats.usr_merge import merged

PATH = "ld.so.cache"

# /etc/ld.so.conf and its libc.conf in the package libc-bin, of which few machines have all files.
_CONF = {
    "etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf\n",
    "etc/ld.so.conf.d/libc.conf": "/usr/local/lib\n",
}
_LIBRARY = re.compile(r"(?:lib|ld-).*\.so.*")


def folders(texts: Mapping[str, str], target: Architecture) -> list[str]:
    """Return the folders of libraries in order, usr-merged: those of the configuration, then ld.so's own.

    `texts` are the files etc/ld.so.conf and etc/ld.so.conf.d/*.conf of the machine, by path.
    """
    named = map(merged, library_cache.folders({**_CONF, **texts}))
    return list(dict.fromkeys([*named, *target.library_folders]))


def configured(tree: Tree) -> dict[str, str]:
    """Return the texts for folders() in a tree of packages (usr/…, etc/…)."""
    return {
        path: entry.read().decode("utf-8", "surrogateescape")
        for path, entry in tree.items()
        if path.startswith("etc/ld.so.conf") and isinstance(entry, File)
    }


def is_needed(system: Tree, opt: Tree, texts: Mapping[str, str], target: Architecture) -> bool:
    """Return True if a folder besides ld.so's own has files, in the trees of /usr and /opt."""
    places = [each for each in folders(texts, target) if each not in target.library_folders]
    return any(
        each.startswith(f"{top}/")
        and isinstance(tree.get(each.removeprefix(f"{top}/")), Directory)
        and any(path.startswith(f"{each.removeprefix(f'{top}/')}/") for path, _ in tree.items())
        for each in places
        for top, tree in (("usr", system), ("opt", opt))
    )


def build(root: Tree, texts: Mapping[str, str], target: Architecture) -> bytes:
    """Return the cache for a machine with the files `root` (usr/…, opt/…, etc/…).

    Raises PackageError for an invalid ELF file.
    """
    flags = {target.elf: target.library_flags}
    rows = _libraries(root, folders(texts, target))
    return library_cache.build((name, f"/{path}", flags[kind]) for name, path, kind in rows if kind in flags)


def _libraries(root: Tree, places: Iterable[str]) -> Iterator[tuple[str, str, tuple[int, int, int]]]:
    """Yield the name, path and kind (Elf.kind) of each library in the folders `places`."""
    children = root.children()
    for folder in places:
        for name in children.get(folder, ()):
            path = f"{folder}/{name}"
            found = root.resolve(path) if _LIBRARY.fullmatch(name) else None
            entry = root.get(found) if found is not None else None
            parsed = elf.parse(entry.read()) if isinstance(entry, File) else None
            if parsed is None:
                continue
            yield (
                _key(name, parsed.soname or name, is_link=isinstance(root.get(path), Symlink)),
                path,
                parsed.kind,
            )


def _key(name: str, soname: str, *, is_link: bool) -> str:
    """Return the name under which ldconfig lists a file: a link that a compiler reads has its own."""
    return name if is_link and name.endswith(".so") and soname.startswith(name) else soname
