"""This host's apt: the mirrors of Debian and the proxies that it is set up with. Nothing of apt's is changed.

A target is one index of one entry in sources.list(5). Once `apt-get update` has run, apt knows the Origin
and the Label of a target's Release. Before, only the entry can say: its keyring, its suite, its address.
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
_UNKNOWN = re.compile(r"\$\([A-Z_]+\)")  # apt prints the name of a variable that it has no value for
_LABELS = {"Debian": "main", "Debian-Security": "security"}
_MAIN = re.compile(r"[a-z]+(?:-updates)?")
_SECURITY = re.compile(r"[a-z]+(?:-security|/updates)")
_ENDS = {"debian": "main", "debian-security": "security"}
_LIST_ENTRY = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<address>\S+)\s+(?P<suite>\S+)")
_MIRROR_LIST = "mirror+file:"  # apt-transport-mirror(1)


@dataclass(frozen=True)
class Target:
    """One index: the values of apt's variables, empty where apt has none."""

    address: str
    suite: str = ""
    component: str = ""
    entry: str = ""  # FILE:NUMBER
    origin: str = ""
    label: str = ""


@dataclass(frozen=True)
class Apt:
    """Addresses of the main archive and of security fixes without a slash at the end, the best first.

    `proxies` are as requests takes them: an address by "http", "https" or "http://HOST"; "" is none.
    """

    main: tuple[str, ...]
    security: tuple[str, ...]
    proxies: Mapping[str, str]


def read() -> Apt:
    """Ask the host's apt. Raises FetchError when it is missing, fails, or has no mirror of Debian."""
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
    """The mirrors ("main" and "security") among `targets`, in their order.

    Those that a Release or a keyring shows to be Debian's come before those with only the form of one.
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
    """The proxies in what `apt-config dump` prints (apt.conf(5), apt-transport-http(1))."""
    found: dict[str, str] = {}
    said = re.findall(r'^Acquire::(https?)::Proxy(?:::([^ ]+))? "(.*)";$', dump, re.MULTILINE | re.IGNORECASE)
    for scheme, host, value in said:
        if value:  # none is how apt prints a node that only has others below it
            key = scheme.lower() + (f"://{host}" if host else "")
            found[key] = "" if value.upper() in ("DIRECT", "FALSE") else value
    for key, value in list(found.items()):  # the options of https default to those of http
        if key.startswith("http:") or key == "http":
            found.setdefault(key.replace("http", "https", 1), value)
    return found


def _detected(dump: str, address: str) -> dict[str, str]:
    """The proxy that apt's Acquire::http::Proxy-Auto-Detect (apt.conf(5)) finds for `address`."""
    said = re.search(r'^Acquire::http::Proxy-?Auto-?Detect "(.+)";$', dump, re.MULTILINE | re.IGNORECASE)
    if not said:
        return {}
    try:
        answer = run([said[1], f"{address}/"], env=os.environ).decode(errors="replace").strip()
    except ToolError:  # apt goes without a proxy then
        return {}
    found = answer if answer.startswith(("http://", "https://")) else ""
    return dict.fromkeys(("http", "https"), found) if found else {}


def _targets(option: str) -> list[Target]:
    lines = _run("apt-get", "indextargets", option, "--format", _FORMAT).splitlines()
    rows = ([_UNKNOWN.sub("", each) for each in line.split("\t")] for line in lines)
    return [Target(row[0].rstrip("/"), row[1].rstrip("/"), *row[2:]) for row in rows if len(row) == 6]


def _run(program: str, *words: str) -> str:
    # The host's own programs: only they know how this host reaches Debian.
    path = shutil.which(program)
    if path is None:
        raise FetchError(f"this host has no {program}")
    try:
        return run([path, *words], env={**os.environ, "LC_ALL": "C"}).decode(errors="replace")
    except ToolError as error:
        lines = [line.strip(" |") for line in error.message.splitlines()]
        said = next((line for line in lines if line.startswith("E: ")), lines[-1])
        raise FetchError(f"this host's apt names no mirror: {said}") from error


def _kind(target: Target) -> str | None:
    """Return which archive a suite belongs to; None for backports, debug symbols and other archives."""
    if _SECURITY.fullmatch(target.suite):
        return "security"
    return "main" if _MAIN.fullmatch(target.suite) else None


def _addresses(address: str) -> list[str]:
    """The http addresses that an entry's address stands for: itself, or those in a list of mirrors."""
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
    """Return whether the entry's Signed-By names a key of Debian's archive; None if it names no key."""
    said = _signed_by(target)
    if not said:
        return None
    if "-----BEGIN" in said:
        armored = "\n".join("" if line.strip() == "." else line.strip() for line in said.splitlines())
        return _has_debian_key(armored.strip().encode())
    return any(_names_debian_key(each) for each in re.split(r"[\s,]+", said) if each)


def _names_debian_key(word: str) -> bool:
    """Return whether a word of Signed-By, a path or a fingerprint, is of a key of Debian's archive."""
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
    """The Signed-By of the entry that `target` is of; "" if it has none."""
    path = Path(target.entry.rpartition(":")[0])
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    found = _of_sources(text, target) if path.suffix == ".sources" else _of_list(text, target)
    return next(found, "")


def _of_list(text: str, target: Target) -> Iterator[str]:
    """One-line entries: deb [signed-by=FILE arch=amd64] ADDRESS SUITE COMPONENT…"""
    for line in text.splitlines():
        match = _LIST_ENTRY.match(line.strip())
        if match and _same(match["address"], match["suite"].split(), target):
            options = dict(each.partition("=")[::2] for each in (match["options"] or "").split())
            yield options.get("signed-by", "")


def _of_sources(text: str, target: Target) -> Iterator[str]:
    """Stanzas in the format deb822(5)."""
    for fields in deb822.paragraphs(text):
        suites = fields.get("Suites", "").split()
        if any(_same(each, suites, target) for each in fields.get("URIs", "").split()):
            yield fields.get("Signed-By", "")


def _same(address: str, suites: Iterable[str], target: Target) -> bool:
    here = (each.rstrip("/") for each in suites)
    return _plain(address) == _plain(target.address) and target.suite in here


def _plain(address: str) -> str:
    """An address in one spelling: apt prints mirror+file:/PATH for mirror+file:///PATH."""
    scheme, _, rest = address.partition(":")
    return f"{scheme}:{rest.strip('/')}"
