"""The Debian mirrors and the proxies in the configuration of this host's apt, which is only read.

A target is one index of one entry in sources.list(5). After `apt-get update`, apt knows the Origin and the
Label of a target's Release. Before that, only the entry's keyring, suite and address identify the archive.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from notos.debian import deb822, release
from notos.errors import FetchError, ToolError
from notos.process import run

_VARIABLES = ("REPO_URI", "RELEASE", "COMPONENT", "SOURCESENTRY", "ORIGIN", "LABEL")
_FORMAT = "\t".join(f"$({each})" for each in _VARIABLES)
_UNKNOWN = re.compile(r"\$\([A-Z_]+\)")  # apt prints the name of a variable without a value
_LABELS = {"Debian": "main", "Debian-Security": "security"}
_MAIN = re.compile(r"[a-z]+(?:-updates)?")
_SECURITY = re.compile(r"[a-z]+(?:-security|/updates)")
_ENDS = {"debian": "main", "debian-security": "security"}
_LIST_ENTRY = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<address>\S+)\s+(?P<suite>\S+)")
_MIRROR_LIST = "mirror+file:"  # apt-transport-mirror(1)


@dataclass(frozen=True)
class Target:
    """One index: the values of apt's variables; empty if apt has no value."""

    address: str
    suite: str = ""
    component: str = ""
    entry: str = ""  # FILE:NUMBER
    origin: str = ""
    label: str = ""


@dataclass(frozen=True)
class Apt:
    """The addresses of the main and the security archive, without a trailing slash, the best ones first.

    `proxies` has the form that requests takes: an address by "http", "https" or "http://HOST". An empty
    address means no proxy.
    """

    main: tuple[str, ...]
    security: tuple[str, ...]
    proxies: Mapping[str, str]


def read() -> Apt:
    """Read the configuration of apt. Raises FetchError if apt is missing, fails or has no Debian mirror."""
    known = _targets("--release-info")
    found = mirrors(known)
    if not (found["main"] and found["security"]):
        updated = {(each.address, each.suite) for each in known}
        entries = _targets("--no-release-info")
        found = mirrors([*known, *(each for each in entries if (each.address, each.suite) not in updated)])
    if not found["main"]:
        raise FetchError("this host's apt has no mirror of Debian")
    dump = _run("apt-config", "dump")
    return Apt(
        tuple(found["main"]), tuple(found["security"]), _detected(dump, found["main"][0]) | proxies(dump)
    )


def mirrors(targets: Iterable[Target]) -> dict[str, list[str]]:
    """Return the "main" and the "security" mirrors among `targets`, in the order of `targets`.

    Mirrors that a Release or a keyring identifies as Debian's come first, mirrors with only a Debian-like
    address last.
    """
    sure: dict[str, list[str]] = {"main": [], "security": []}
    likely: dict[str, list[str]] = {"main": [], "security": []}
    for target in targets:
        addresses = _addresses(target.address)
        if not addresses or target.component != "main" or not (kind := _kind(target)):
            continue
        signed = target.origin == "Debian" or (not target.origin and _signed_by_debian(target))
        if signed is False or (target.label and _LABELS.get(target.label) != kind):
            continue
        for address in addresses:
            if signed or _ENDS.get(address.rpartition("/")[2]) == kind:
                (sure if signed else likely)[kind].append(address)
    return {kind: list(dict.fromkeys([*sure[kind], *likely[kind]])) for kind in sure}


def proxies(dump: str) -> dict[str, str]:
    """Return the proxies in the output of `apt-config dump` (apt.conf(5), apt-transport-http(1))."""
    found: dict[str, str] = {}
    rows = re.findall(r'^Acquire::(https?)::Proxy(?:::([^ ]+))? "(.*)";$', dump, re.MULTILINE | re.IGNORECASE)
    for scheme, host, value in rows:
        if value:  # empty for a node that only has child nodes
            key = scheme.lower() + (f"://{host}" if host else "")
            found[key] = "" if value.upper() in ("DIRECT", "FALSE") else value
    for key, value in list(found.items()):  # the options of https default to those of http
        if key.startswith("http:") or key == "http":
            found.setdefault(key.replace("http", "https", 1), value)
    return found


def _detected(dump: str, address: str) -> dict[str, str]:
    """Return the proxy that apt's Acquire::http::Proxy-Auto-Detect (apt.conf(5)) finds for `address`."""
    program = re.search(r'^Acquire::http::Proxy-?Auto-?Detect "(.+)";$', dump, re.MULTILINE | re.IGNORECASE)
    if not program:
        return {}
    try:
        answer = run([program[1], f"{address}/"], env=os.environ).decode(errors="replace").strip()
    except ToolError:  # apt then uses no proxy
        return {}
    found = answer if answer.startswith(("http://", "https://")) else ""
    return dict.fromkeys(("http", "https"), found) if found else {}


def _targets(option: str) -> list[Target]:
    lines = _run("apt-get", "indextargets", option, "--format", _FORMAT).splitlines()
    rows = ([_UNKNOWN.sub("", each) for each in line.split("\t")] for line in lines)
    return [Target(row[0].rstrip("/"), row[1].rstrip("/"), *row[2:]) for row in rows if len(row) == 6]


def _run(program: str, *words: str) -> str:
    # The programs of the host, not of a tools tree: only they know how this host reaches Debian.
    path = shutil.which(program)
    if path is None:
        raise FetchError(f"this host has no program {program}")
    try:
        return run([path, *words], env={**os.environ, "LC_ALL": "C"}).decode(errors="replace")
    except ToolError as error:
        lines = [line.strip(" |") for line in error.message.splitlines()]
        reason = next((line for line in lines if line.startswith("E: ")), lines[-1])
        raise FetchError(f"this host's apt fails: {reason}") from error


def _kind(target: Target) -> str | None:
    """Return the archive of a suite, "main" or "security"; None for backports, debug symbols and others."""
    if _SECURITY.fullmatch(target.suite):
        return "security"
    return "main" if _MAIN.fullmatch(target.suite) else None


def _addresses(address: str) -> list[str]:
    """Return the http addresses of an entry: its own address, or those in its mirror list."""
    if address.startswith(("http://", "https://")):
        return [address]
    if not address.startswith(_MIRROR_LIST):
        return []
    try:
        text = Path("/" + address.removeprefix(_MIRROR_LIST).lstrip("/")).read_text(errors="replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words and words[0].startswith(("http://", "https://")):
            priority = next((each[9:] for each in words[1:] if each.startswith("priority:")), "")
            found.append((int(priority) if priority.isdigit() else 1 << 31, words[0].rstrip("/")))
    return [each for _, each in sorted(found, key=lambda each: each[0])]


def _signed_by_debian(target: Target) -> bool | None:
    """Return True if the entry's Signed-By names a Debian archive key; None if the entry has none."""
    keys = _signed_by(target)
    if not keys:
        return None
    if "-----BEGIN" in keys:
        armored = "\n".join("" if line.strip() == "." else line.strip() for line in keys.splitlines())
        return _has_debian_key(armored.strip().encode())
    return any(_names_debian_key(each) for each in re.split(r"[\s,]+", keys) if each)


def _names_debian_key(word: str) -> bool:
    """Return True if a word of Signed-By, a path or a fingerprint, names a Debian archive key."""
    if not word.startswith("/"):
        ours = {each.fingerprint for each in release.certificates()}
        return word.rstrip("!").lower() in ours
    if Path(word).name.startswith("debian-archive-"):
        return True
    try:
        return _has_debian_key(Path(word).read_bytes())
    except OSError:
        return False


def _has_debian_key(keyring: bytes) -> bool:
    from pysequoia import Cert

    ours = {each.fingerprint for each in release.certificates()}
    try:
        return any(each.fingerprint in ours for each in Cert.split_bytes(keyring))
    except RuntimeError:  # not OpenPGP
        return False


def _signed_by(target: Target) -> str:
    """Return the Signed-By value of the entry of `target`; "" if it has none."""
    path = Path(target.entry.rpartition(":")[0])
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    found = _of_sources(text, target) if path.suffix == ".sources" else _of_list(text, target)
    return next(found, "")


def _of_list(text: str, target: Target) -> Iterator[str]:
    """Yield Signed-By values of one-line entries: deb [signed-by=FILE arch=NAME] ADDRESS SUITE COMPONENT…"""
    for line in text.splitlines():
        match = _LIST_ENTRY.match(line.strip())
        if match and _same(match["address"], match["suite"].split(), target):
            options = dict(each.partition("=")[::2] for each in (match["options"] or "").split())
            yield options.get("signed-by", "")


def _of_sources(text: str, target: Target) -> Iterator[str]:
    """Yield Signed-By values of stanzas in the format deb822(5)."""
    for fields in deb822.paragraphs(text):
        suites = fields.get("Suites", "").split()
        if any(_same(each, suites, target) for each in fields.get("URIs", "").split()):
            yield fields.get("Signed-By", "")


def _same(address: str, suites: Iterable[str], target: Target) -> bool:
    here = (each.rstrip("/") for each in suites)
    return _plain(address) == _plain(target.address) and target.suite in here


def _plain(address: str) -> str:
    """Return an address in a canonical spelling: apt prints mirror+file:/PATH for mirror+file:///PATH."""
    scheme, _, rest = address.partition(":")
    return f"{scheme}:{rest.strip('/')}"
