"""Modules of Apache, PHP and lighttpd, which their own programs enable and disable by links.

    a2enmod, a2dismod, a2enconf, a2disconf, a2ensite, a2dissite    /etc/apache2/mods-enabled/NAME.load, …
    a2query                                                        their states
    phpenmod, phpdismod, phpquery                                  /etc/php/VERSION/SAPI/conf.d/NN-NAME.ini
    lighty-enable-mod, lighty-disable-mod                          /etc/lighttpd/conf-enabled/NN-NAME.conf

These programs are in Perl, or scripts of hundreds of commands. Functions of Debian's helper libraries, such
as apache2_invoke and php_invoke, are read from those libraries. Sources: the programs' manual pages.
"""

import re
from collections.abc import Callable, Sequence

from notos.debian.command_words import Value, short_options
from notos.debian.script_files import Files, Node
from notos.debian.text_filters import Outcome

_DEEP = 10
_OFF = {"maint": 33, "admin": 32}  # exit statuses for a part that was disabled
_SAID = {"admin": "site administrator", "maint": "maintainer script"}
# Modules that a2dismod disables only with -f, or after a question.
_ESSENTIAL = frozenset(
    (
        *(
            "alias",
            "auth_basic",
            "authn_file",
            "authz_host",
            "authz_user",
            "autoindex",
            "deflate",
            "dir",
            "env",
        ),
        *("filter", "logio", "mime", "negotiation", "setenvif", "unixd", "version", "watchdog"),
    )
)
_PHP, _PHP_STATE = "/etc/php", "/var/lib/php/modules"
_LIGHTTPD = "/etc/lighttpd"


class _UnknownError(Exception):
    """Files or words that are unknown."""


class _AbortError(Exception):
    """A question that nobody answers."""


def run(words: Sequence[Value], files: Files) -> Outcome | None:
    """Return the outcome of one of these programs, and change `files` as it does; None for other commands.

    It is None too if a word or a file is unknown.
    """
    name = (words[0] or "").rpartition("/")[2]
    known = [word for word in words if word is not None]
    program = _PROGRAMS.get(name)
    if program is None or len(known) < len(words):
        return None
    try:
        return program(name, known, files)
    except _UnknownError:
        return None
    except _AbortError:
        return Outcome(1, None)


def _exists(path: str, files: Files) -> bool:
    """Return True if a path exists. Raises _UnknownError."""
    node = files.look(path)
    if node.kind == "?":
        raise _UnknownError
    return node.kind != ""


def _text(path: str, files: Files) -> str:
    """Return the text of a file. Raises _UnknownError."""
    found = files.look(path).content
    if found is None:
        raise _UnknownError
    return found.decode(errors="replace")


def _matches(pattern: str, files: Files) -> list[str]:
    """Return the paths of a pattern. Raises _UnknownError."""
    found = files.glob(pattern)
    if found is None:
        raise _UnknownError
    return found


def _stems(folder: str, pattern: str, suffix: str, files: Files) -> list[str]:
    """Return the names that match, without their suffix, or a plain name. Raises _UnknownError."""
    if not re.search(r"[*?\[]", pattern):
        return [pattern]
    found = _matches(f"{folder}/{pattern}{suffix}", files)
    return [each.rpartition("/")[2].removesuffix(suffix) for each in found]


def _mark(folder: str, name: str, files: Files, wanted: str) -> None:
    """Keep who enabled or disabled a part, as an empty file: `wanted` is enabled_by_maint and the like."""
    for action in ("enabled", "disabled"):
        for who in _OFF:
            if files.look(f"{folder}/{action}_by_{who}/{name}").kind == "f":
                files.remove(f"{folder}/{action}_by_{who}/{name}")
    if wanted:
        files.change(f"{folder}/{wanted}/{name}", files.new("f", b""))


def _marked(folder: str, action: str, name: str, files: Files) -> str:
    """Return who has enabled or disabled a part: admin, maint, or ""; without a name, any part."""
    return next(
        (who for who in _OFF if files.look(f"{folder}/{action}_by_{who}/{name}").kind in ("f", "d")), ""
    )


# --- Apache


class _Apache:
    """The parts of one kind: mod, conf or site."""

    def __init__(self, kind: str, files: Files) -> None:
        plural = "sites" if kind == "site" else "mods" if kind == "mod" else "conf"
        self.kind = kind
        self.files = files
        self.available = f"/etc/apache2/{plural}-available"
        self.enabled = f"/etc/apache2/{plural}-enabled"
        self.suffix = ".load" if kind == "mod" else ".conf"
        self.state = f"/var/lib/apache2/{'module' if kind == 'mod' else kind}"

    def is_enabled(self, name: str) -> bool:
        return _exists(f"{self.enabled}/{name}{self.suffix}", self.files)

    def related(self, path: str, field: str) -> list[str]:
        """Return the names in a comment `# Depends: NAME …` before the first directive."""
        for line in _text(path, self.files).splitlines():
            if match := re.match(rf"# {field}:\s+(.*?)\s*$", line):
                return match[1].split()
            if not re.match(r"\s*(?:#.*)?$", line):
                break
        return []

    def enable(self, name: str, mark: str, depth: int = 0) -> bool:
        source = f"{self.available}/{name}{self.suffix}"
        if depth > _DEEP or not _exists(source, self.files):
            return False
        if self.kind == "mod":
            if name == "cgi" and any(self.is_enabled(f"mpm_{each}") for each in ("event", "worker")):
                return self.enable("cgid", mark, depth)
            if not all(self.enable(each, mark, depth + 1) for each in self.related(source, "Depends")):
                return False
            if any(map(self.is_enabled, self.related(source, "Conflicts"))):
                return False
        elif not all(
            _exists(f"/etc/apache2/mods-enabled/{each}.load", self.files)
            for each in self.related(source, "Depends")
        ):
            return False
        was = self.is_enabled(name)
        for suffix in dict.fromkeys((self.suffix, ".conf")):
            if _exists(f"{self.available}/{name}{suffix}", self.files):
                self._link(name, suffix)
        if not was:
            _mark(self.state, name, self.files, mark)
        return True

    def _link(self, name: str, suffix: str) -> None:
        link = f"{self.enabled}/{name}{suffix}"
        if not _exists(link, self.files):
            self.files.change(
                link, Node("l", target=f"../{self.available.rpartition('/')[2]}/{name}{suffix}")
            )

    def disable(self, name: str, mark: str, *, force: bool, depth: int = 0) -> bool:
        if depth > _DEEP or not _exists(f"{self.available}/{name}{self.suffix}", self.files):
            return False
        if self.kind == "mod":
            others = _stems(self.enabled, "*", ".load", self.files)
            needing = [
                each for each in others if name in self.related(f"{self.enabled}/{each}.load", "Depends")
            ]
            if needing and not force:
                return False
            if not all(self.disable(each, mark, force=True, depth=depth + 1) for each in needing):
                return False
        if self.is_enabled(name):
            if self.kind == "mod" and name in _ESSENTIAL and not force:
                raise _AbortError
            for suffix in dict.fromkeys((self.suffix, ".conf")):
                if self.files.look(f"{self.enabled}/{name}{suffix}", follow=False).kind == "l":
                    self.files.remove(f"{self.enabled}/{name}{suffix}")
            _mark(self.state, name, self.files, mark)
        return True


def _switch_apache(program: str, words: Sequence[str], files: Files) -> Outcome:
    found, names = short_options(
        words,
        "",
        {
            "--quiet": "-q",
            "--force": "-f",
            "--maintmode": "-m",
        },
    )
    enables = program.startswith("a2en")
    parts = _Apache(program.removeprefix("a2en" if enables else "a2dis"), files)
    who = "maint" if "-m" in found else "admin"
    mark = f"{'enabled' if enables else 'disabled'}_by_{who}"
    status = 0
    for pattern in names:
        stem = (pattern or "").removesuffix(parts.suffix)
        matching = _stems(parts.available if enables else parts.enabled, stem, parts.suffix, files)
        if not matching:
            status = 1
        for name in matching:
            done = parts.enable(name, mark) if enables else parts.disable(name, mark, force="-f" in found)
            status = status if done else 1
    return Outcome(status, None)


def _query_apache(_program: str, words: Sequence[str], files: Files) -> Outcome:
    found, rest = short_options(words, "", {})
    names = _stems("/etc/apache2/mods-enabled", "mpm_*", ".load", files)
    if len(names) > 1:
        return Outcome(1)
    if "-M" in found:
        model = names[0].removeprefix("mpm_") if names else "invalid"
        return Outcome(0, "" if "-q" in found else f"{model}\n")
    wanted = {"-m": ("mod", "module"), "-c": ("conf", "conf"), "-s": ("site", "site")}
    kinds = [kind for option, kind in wanted.items() if option in found]
    if len(kinds) != 1 or found.keys() - {*wanted, "-q"}:
        raise _UnknownError
    parts = _Apache(kinds[0][0], files)
    name = re.sub(r"\.(?:conf|load)", "", re.sub("^mod", "", (rest[0] or "") if rest else ""), count=1)
    enabled = _stems(parts.enabled, "*", parts.suffix, files)
    shown = ""
    for each in enabled:
        if name in ("", each):
            who = _marked(parts.state, "enabled", each, files)
            shown += f"{each} (enabled by {_SAID.get(who, 'unknown')})\n"
    if shown:
        return Outcome(0, "" if "-q" in found else shown)
    return Outcome(_OFF.get(_marked(parts.state, "disabled", name, files), 1))


# --- PHP


def _versions(files: Files) -> list[str]:
    """Return PHP's installed versions, the newest first."""
    found = [each.rpartition("/")[2] for each in _matches("/usr/lib/php/*.*", files)]
    return sorted((each for each in found if re.fullmatch(r"[0-9]+\.[0-9]", each)), key=float, reverse=True)


def _sapis(version: str, files: Files) -> list[str]:
    return [each.rpartition("/")[2] for each in _matches(f"/usr/lib/php/{version}/sapi/*", files)]


def _php_link(version: str, sapi: str, name: str, files: Files) -> tuple[str, str]:
    """Return a module's link and its target; "" for a module that does not exist."""
    source = f"{_PHP}/{version}/mods-available/{name}.ini"
    if not _exists(source, files):
        return "", source
    match = re.search(r"^;\s*priority\s*=\s*([0-9]+)\s*$", _text(source, files), re.MULTILINE)
    return f"{_PHP}/{version}/{sapi}/conf.d/{match[1] if match else 20}-{name}.ini", source


def _php_state(version: str, sapi: str, name: str, files: Files) -> int:
    """Return 0 for an enabled module, 32 or 33 for a disabled one, 34 for a changed link, 1 for others."""
    link, target = _php_link(version, sapi, name, files)
    if not link:
        return 1
    present = files.look(link, follow=False)
    if present.kind == "?":
        raise _UnknownError
    if present.kind == "l":
        return 0 if present.target == target else 34
    return _OFF.get(_marked(f"{_PHP_STATE}/{version}/{sapi}", "disabled", name, files), 1)


def _switch_php(program: str, words: Sequence[str], files: Files) -> Outcome:
    found: dict[str, list[str]] = {"-v": [], "-s": []}
    flags: set[str] = set()
    names: list[str] = []
    pending = iter(words[1:])
    for word in pending:
        if word in found:
            found[word].append(next(pending, ""))
        elif re.fullmatch("-[mqrpf]+", word):
            flags |= set(word[1:])
        elif word.startswith("-"):
            raise _UnknownError
        else:
            names.append(word.partition("/")[0])
    if not names:
        return Outcome(1)
    who = "maint" if "m" in flags else "admin"
    every: tuple[list[str], ...] = ([], ["ALL"])
    for name in names:
        registry = ""
        for version in _versions(files) if found["-v"] in every else found["-v"]:
            for sapi in _sapis(version, files) if found["-s"] in every else found["-s"]:
                _switch_php_module(program, (version, sapi, name), who, files)
            registry = f"{_PHP_STATE}/{version}/registry/{name}"
            if program == "phpenmod" and "r" in flags and not _exists(registry, files):
                files.change(registry, files.new("f", b""))
        if program == "phpdismod" and "r" in flags and registry and _exists(registry, files):
            files.remove(registry)  # that of the last version alone
    return Outcome(0)


def _switch_php_module(program: str, module: tuple[str, str, str], who: str, files: Files) -> None:
    """Enable or disable a module, given as PHP's version, the server interface and the name."""
    version, sapi, name = module
    link, target = _php_link(version, sapi, name, files)
    state = _php_state(version, sapi, name, files)
    enables = program == "phpenmod"
    if not link or state == 34 or (enables and state == 32 and who == "maint"):
        return
    present = files.look(link, follow=False).kind
    if enables:
        if not _exists(f"{_PHP}/{version}/{sapi}/conf.d", files):
            return
        if not present:
            files.change(link, Node("l", target=target))
    elif present == "l":
        files.remove(link)
    folder = f"{_PHP_STATE}/{version}/{sapi}"
    action = "enabled" if enables else "disabled"
    if _marked(folder, action, name, files) not in ("admin", who):
        _mark(folder, name, files, f"{action}_by_{who}")


def _query_php(_program: str, words: Sequence[str], files: Files) -> Outcome:
    found, _ = short_options(words, "vsm", {})
    version, sapi, name = (found.get(each) or "" for each in ("-v", "-s", "-m"))
    if "-V" in found:
        return Outcome(0, "".join(f"{each}\n" for each in _versions(files)))
    if not version or "-d" in found:
        raise _UnknownError
    if "-S" in found:
        return Outcome(0, "".join(f"{each}\n" for each in _sapis(version, files)))
    if "-M" in found:
        registry = _matches(f"{_PHP_STATE}/{version}/registry/*", files)
        return Outcome(0, "".join(f"{each.rpartition('/')[2]}\n" for each in registry))
    if not _exists(f"/usr/lib/php/{version}", files):
        return Outcome(1, None)
    if sapi and not _exists(f"/usr/lib/php/{version}/sapi/{sapi}", files):
        return Outcome(1, None)
    if not name:
        return Outcome(0, f"{sapi}\n" if "-q" not in found else "")
    return Outcome(_php_state(version, sapi, name, files), None if "-q" not in found else "")


# --- lighttpd


def _lighttpd(folder: str, files: Files) -> dict[str, str]:
    """Return the file names of lighttpd's modules in a folder, by module."""
    names = [each.rpartition("/")[2] for each in _matches(f"{_LIGHTTPD}/{folder}/*.conf", files)]
    found = [re.fullmatch(r"[0-9]+-([\w.-]+)\.conf", each) for each in names]
    return {match[1]: match[0] for match in found if match}


def _lighttpd_related(file: str, field: str, files: Files) -> list[str]:
    """Return the modules in a comment `# -*- depends: NAME, … -*-`."""
    text = _text(f"{_LIGHTTPD}/conf-available/{file}", files)
    found = re.findall(rf"# -\*- {field}: ([-\w, ]+) -\*-", text)
    return [name.strip() for each in found for name in each.split(",")]


def _switch_lighttpd(program: str, words: Sequence[str], files: Files) -> Outcome:
    available, enabled = _lighttpd("conf-available", files), _lighttpd("conf-enabled", files)
    pending = list(words[1:])
    if not pending:
        raise _UnknownError
    status = 0
    for name in pending:  # which grows
        enables = "enable" in program
        if name not in available or (name in enabled) == enables:
            status = 2
        elif enables:
            needed = _lighttpd_related(available[name], "depends", files)
            against = _lighttpd_related(available[name], "conflicts", files)
            if not available.keys() >= set(needed) or enabled.keys() & set(against):
                return Outcome(1, None)
            pending += [each for each in needed if each not in enabled]
            link = f"{_LIGHTTPD}/conf-enabled/{available[name]}"
            files.change(link, Node("l", target=f"../conf-available/{available[name]}"))
            enabled[name] = available[name]
        else:
            pending += [
                each
                for each, file in available.items()
                if each in enabled and each != name and name in _lighttpd_related(file, "depends", files)
            ]
            files.remove(f"{_LIGHTTPD}/conf-enabled/{enabled.pop(name)}")
    return Outcome(status, None)


_PROGRAMS: dict[str, Callable[[str, Sequence[str], Files], Outcome]] = {
    **{f"a2{act}{kind}": _switch_apache for act in ("en", "dis") for kind in ("mod", "conf", "site")},
    "a2query": _query_apache,
    "phpenmod": _switch_php,
    "phpdismod": _switch_php,
    "phpquery": _query_php,
    **{f"{name}-{act}able-mod": _switch_lighttpd for name in ("lighty", "lighttpd") for act in ("en", "dis")},
}
