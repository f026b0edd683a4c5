"""The environment of a service's processes (systemd.exec(5)): user, folders, environment, limits, streams."""

import base64
import re
from collections.abc import Callable

from notos.units import unit_names, values
from notos.units.names import LIMITS
from notos.units.paths import absolute, relative
from notos.units.plan import Plan
from notos.units.section import Section
from notos.units.unit_text import Setting
from notos.units.words import WordError, first_word, unescaped, words

FOLDERS = {
    **{"Runtime": "runtime", "State": "state", "Cache": "cache", "Logs": "logs"},
    "Configuration": "configuration",
}
# Names and numbers of users and groups that systemd accepts in units (VALID_USER_RELAX).
_ACCOUNT = re.compile(r"(?!-?\d+$)(?!\.{1,2}$)[^\s:/\0-\x1f\x7f-][^:/\0-\x1f\x7f]*(?<!\s)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRICT_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,30}")
_IO_CLASSES = {**{"none": 0, "realtime": 1, "best-effort": 2, "idle": 3}, **{str(at): at for at in range(4)}}
_POLICIES = {"other": 0, "fifo": 1, "rr": 2, "batch": 3, "idle": 5}
_DUMPED = (
    *("private-anonymous", "shared-anonymous", "private-file-backed", "shared-file-backed", "elf-headers"),
    *("private-huge", "shared-huge", "private-dax", "shared-dax"),
)
_INPUTS = ("null", "tty", "tty-force", "tty-fail", "socket", "fd", "data")
_DESCRIPTORS = {"StandardInput": "stdin", "StandardOutput": "stdout", "StandardError": "stderr"}
_OUTPUTS = {
    **{name: name for name in ("inherit", "null", "tty", "socket", "fd")},
    # The service's log takes the place of the journal.
    **dict.fromkeys(("journal", "syslog", "journal+console", "syslog+console", "kmsg+console"), "journal"),
    "kmsg": "file:/dev/kmsg",
}


def account(text: str) -> str:
    """Return the name or number of a user or group. Raises ValueError for an invalid one."""
    if text.isdigit() and int(text) not in (65535, 4294967295) and int(text) < 2**32:
        return str(int(text))
    if not _ACCOUNT.fullmatch(text):
        raise ValueError(f"{text} is not a user or group")
    return text


def dynamic_name(unit: str) -> str:
    """Return the user of DynamicUser=yes without User=: the unit's name, or one made from its hash."""
    prefix = unit_names.prefix(unit)
    if _STRICT_NAME.fullmatch(prefix):
        return prefix
    from hashlib import sha256

    return f"_du{sha256(prefix.encode()).hexdigest()[:16]}"


class Execution:
    """The settings of [Service] about its processes, as lines of the plan."""

    def __init__(self, section: Section, unit: str) -> None:
        self._section = section
        self.dynamic = self._is_dynamic()
        self.user = self._account("User")
        self.group = self._account("Group")
        if self.dynamic:
            self.user = self.user or dynamic_name(unit)
            self.group = self.group or self.user
        self.supplementary = [
            text
            for setting, text in section.expanded_words("SupplementaryGroups", unquote=True)
            if section.report.checked(setting, account, text)
        ]

    def add(self, plan: Plan) -> None:
        """Add the lines to the plan."""
        self._accounts(plan)
        self._environment(plan)
        self._places(plan)
        self._folders(plan)
        self._scheduling(plan)
        self._limits(plan)
        self._streams(plan)

    def _is_dynamic(self) -> bool:
        """Return DynamicUser=; with an invalid value systemd refuses the unit."""
        found = False
        for setting in self._section.every("DynamicUser"):
            if setting.own and not setting.value:
                found = False
                continue
            try:
                found = values.boolean(setting.value)
            except ValueError as error:
                self._section.report.error(setting, f"{setting.value}: {error}")
        return found

    def _account(self, key: str) -> str:
        section = self._section
        setting = section.setting(key)
        if not setting:
            return ""
        text = section.expanded(setting, setting.value, fatal=True)
        if text is None:
            return ""
        try:
            return account(text)
        except ValueError as error:
            section.report.error(setting, str(error))
            return ""

    def _accounts(self, plan: Plan) -> None:
        if self.user:
            plan.add("user", self.user)
        if self.group:
            plan.add("group", self.group)
        if self.supplementary:
            plan.add("supplementary", *self.supplementary)
        if self.dynamic:
            plan.add("dynamicuser", "yes")
        if self._section.last(values.boolean, "SetLoginEnvironment"):
            plan.add("setloginenv", "yes")

    def _environment(self, plan: Plan) -> None:
        section = self._section
        variables: dict[str, str] = {}
        for setting, text in section.expanded_words("Environment", unquote=True, unescape=True):
            name, equals, value = text.partition("=")
            if not equals or not _VARIABLE.fullmatch(name) or re.search(r"[\x01-\x08\x0b-\x1f\x7f]", value):
                section.report.ignored(setting, f"{text} is not an assignment of a variable")
                continue
            variables.pop(name, None)
            variables[name] = value
        for name, value in variables.items():
            plan.add("env", name, value)
        for setting in section.all("EnvironmentFile"):
            text_ = section.expanded(setting, setting.value)
            if text_ is not None:
                flag = "-" if text_.startswith("-") else ""
                path = section.checked_path(setting, text_.removeprefix("-"))
                if path:
                    plan.add("envfile", flag, path)
        for setting, name in section.expanded_words("PassEnvironment", unquote=True):
            if _VARIABLE.fullmatch(name):
                plan.add("passenv", name)
            else:
                section.report.ignored(setting, f"{name} is not the name of a variable")
        for setting, text in section.expanded_words("UnsetEnvironment", unquote=True, unescape=True):
            if _VARIABLE.fullmatch(text.partition("=")[0]):
                plan.add("unsetenv", text)
            else:
                section.report.ignored(setting, f"{text} is not the name of a variable")

    def _places(self, plan: Plan) -> None:
        section = self._section
        root = section.setting("RootDirectory")
        if root and (path := self._path(root, root.value)):
            plan.add("root", path)
        cwd = section.setting("WorkingDirectory")
        if not cwd:
            return
        flag = "-" if cwd.value.startswith("-") else ""
        text = cwd.value.removeprefix("-")
        place = "~" if text == "~" else self._path(cwd, text, fatal=not flag)
        if place:
            plan.add("cwd", flag, place)

    def _path(self, setting: Setting, text: str, *, fatal: bool = True) -> str:
        """Return an absolute path, empty after a mistake; if `fatal`, systemd refuses the unit then."""
        expanded = self._section.expanded(setting, text, fatal=fatal)
        if expanded is None:
            return ""
        if not fatal:
            return self._section.checked_path(setting, expanded)
        try:
            return absolute(expanded)
        except ValueError as error:
            self._section.report.error(setting, str(error))
            return ""

    def _folders(self, plan: Plan) -> None:
        section = self._section
        for key, kind in FOLDERS.items():
            mode = section.last(values.mode, f"{key}DirectoryMode")
            links: dict[str, list[str]] = {}
            for setting in section.all(f"{key}Directory"):
                for word in section.words(setting, unquote=True, keep_backslashes=True):
                    self._folder(setting, word, links)
            for name in sorted(links):
                plan.add("dir", kind, name, f"{0o755 if mode is None else mode:o}", *links[name])
        preserve = section.last(_preserved, "RuntimeDirectoryPreserve")
        if preserve and preserve != "no":
            plan.add("preserve", preserve)

    def _folder(self, setting: Setting, word: str, links: dict[str, list[str]]) -> None:
        """Add the folder NAME[:LINK[:FLAGS]] to `links`."""
        section = self._section
        try:
            parts = words(word, ":", unescape=True, escaped_separators=True, single=True)
        except WordError as error:
            section.report.ignored(setting, f"{word}: {error}")
            return
        paths = [section.expanded(setting, part) for part in parts[:2] if part]
        try:
            if None in paths or not paths:
                return
            if len(parts) > 3 or (parts[2:] and parts[2] not in ("", "ro")):
                raise ValueError(f"{word} has unknown flags")
            checked = [relative(path) for path in paths if path is not None]
            if checked[0].split("/")[0] == "private":
                raise ValueError(f"{checked[0]} is reserved")
            if len(checked) > 1 and setting.key == "ConfigurationDirectory":
                raise ValueError(f"{word} cannot have a link")
        except ValueError as error:
            section.report.ignored(setting, str(error))
            return
        links.setdefault(checked[0], []).extend(checked[1:])

    def _scheduling(self, plan: Plan) -> None:
        section = self._section
        self._number(plan, "nice", "Nice", -20, 19)
        native = section.specifiers.architecture
        number = section.last(lambda text: personality(text, native), "Personality", resets=True)
        if number:
            plan.add("personality", f"{number:x}")
        self._number(plan, "oom", "OOMScoreAdjust", -1000, 1000)
        umask = section.last(values.mode, "UMask")
        if umask is not None:
            plan.add("umask", f"{umask:04o}")
        io_class = section.last(lambda text: _named(text, _IO_CLASSES), "IOSchedulingClass", resets=True)
        priority = section.last(lambda text: values.integer(text, 0, 7), "IOSchedulingPriority", resets=True)
        if io_class is not None or priority is not None:
            plan.add("io", 2 if io_class is None else io_class, 4 if priority is None else priority)
        policy = section.last(lambda text: _named(text, _POLICIES), "CPUSchedulingPolicy", resets=True)
        static = section.last(lambda text: values.integer(text, 0, 99), "CPUSchedulingPriority")
        reset = section.last(values.boolean, "CPUSchedulingResetOnFork")
        if policy is not None or static is not None or reset is not None:
            real_time = policy in (1, 2)
            number = min(max(static or 0, 1), 99) if real_time else 0
            plan.add("cpusched", policy or 0, number, "yes" if reset else "no")
        found: set[int] = set()
        for setting in section.all("CPUAffinity"):
            if setting.value == "numa":
                section.report.unenforced("CPUAffinity=numa")
            elif section.report.checked(setting, values.processors, setting.value):
                found.update(values.processors(setting.value))
        if found:
            plan.add("affinity", values.ranges(tuple(sorted(found))))
        slack = section.last(_nanoseconds, "TimerSlackNSec")
        if slack is not None:
            plan.add("slackns", slack)
        dumped = section.last(_dumped, "CoredumpFilter")
        if dumped is not None:
            plan.add("coredumpfilter", f"{dumped:x}")
        if section.last(values.boolean, "RemoveIPC") or self.dynamic:
            plan.add("removeipc", "yes")
        if section.last(values.boolean, "IgnoreSIGPIPE") is False:
            plan.add("ignoresigpipe", "no")

    def _number(self, plan: Plan, line: str, key: str, least: int, most: int) -> None:
        number = self._section.last(lambda text: values.integer(text, least, most), key, resets=True)
        if number is not None:
            plan.add(line, number)

    def _limits(self, plan: Plan) -> None:
        for name in LIMITS:
            found = self._section.last(_limit_of(name), f"Limit{name}")
            if found:
                plan.add("limit", name, *found)

    def _streams(self, plan: Plan) -> None:
        section = self._section
        source = self._stream("StandardInput", _INPUTS)
        data = self._data()
        if data and source in ("", "null"):
            source = "data"
        if source and source != "null":
            plan.add("stdin", source)
        for each in data if source == "data" else ():
            plan.add("stdindata", each)
        # Streams inherit one that goes both ways; otherwise stdout is the log. stderr inherits stdout.
        streams = [fields[0].partition(":")[0] for fields in plan.values("stdin")]
        both_ways = any(each not in ("null", "file", "data") for each in streams)
        for key, line in (("StandardOutput", "stdout"), ("StandardError", "stderr")):
            text = self._stream(key, tuple(_OUTPUTS))
            text = _OUTPUTS.get(text, text) or "inherit"
            if line == "stdout" and not both_ways and text == "journal":
                continue
            if text != "inherit" or (line == "stdout" and both_ways):
                plan.add(line, text)
        identifier = section.setting("SyslogIdentifier")
        if identifier and (name := section.expanded(identifier, identifier.value)):
            plan.add("syslogidentifier", name)
        tty = section.setting("TTYPath")
        if tty and (path := self._path(tty, tty.value)):
            plan.add("tty", path)
        for key, line in (("TTYReset", "ttyreset"), ("TTYVHangup", "ttyvhangup")):
            if section.last(values.boolean, key):
                plan.add(line, "yes")

    def _data(self) -> list[str]:
        """Return the parts of StandardInputText= and StandardInputData=."""
        found: list[str] = []
        for setting in self._section.all("StandardInputText", "StandardInputData"):
            try:
                if setting.key == "StandardInputData":
                    found.append(_decoded(setting.value))
                    continue
                text = self._section.expanded(setting, unescaped(setting.value))
            except ValueError as error:
                self._section.report.ignored(setting, str(error))
                continue
            if text is not None:
                found.append(text + "\n")
        return found

    def _stream(self, key: str, known: tuple[str, ...]) -> str:
        """Return the last valid stream of a key: a word of `known`, or a kind, a colon and a path or name."""
        found = [self._one_stream(each, known) for each in self._section.all(key)]
        valid = [each for each in found if each]
        return valid[-1] if valid else ""

    def _one_stream(self, setting: Setting, known: tuple[str, ...]) -> str:
        section = self._section
        kind, colon, rest = setting.value.partition(":")
        if not colon and kind in known:
            return f"fd:{_DESCRIPTORS[setting.key]}" if kind == "fd" else kind
        kinds = ("file", "fd") if "tty-force" in known else ("file", "append", "truncate", "fd")
        if kind not in kinds or not colon:
            section.report.ignored(setting, f"{setting.value} is not a stream")
            return ""
        text = section.expanded(setting, rest)
        if text is None:
            return ""
        if kind == "fd":
            return f"fd:{text or _DESCRIPTORS[setting.key]}"
        path = section.checked_path(setting, text)
        return f"{kind}:{path}" if path else ""


def personality(text: str, native: str) -> int:
    """Return the number of Personality= (personality(2)): that of a 32-bit architecture is PER_LINUX32.

    `native` is systemd's name of the machine's architecture.
    """
    if text not in ("x86", "arm", native):
        raise ValueError(f"{text} is not an architecture of this machine")
    return 0 if text == native else 8


def _decoded(text: str) -> str:
    """Return the text of Base64 data. Raises ValueError if it is invalid, or has a null byte."""
    data = base64.b64decode("".join(text.split()), validate=True)
    if b"\0" in data:
        raise ValueError("a null byte in the data is not supported")
    return data.decode("utf-8", "surrogateescape")


def _limit_of(name: str) -> Callable[[str], tuple[str, str]]:
    return lambda text: values.limit(name, text)


def _named(text: str, known: dict[str, int]) -> int:
    if text not in known:
        raise ValueError(f"not one of {', '.join(known)}")
    return known[text]


def _preserved(text: str) -> str:
    if text == "restart":
        return text
    return "yes" if values.boolean(text) else "no"


_NANOSECONDS = re.compile(r"\s*(\d+)\s*(nsec|ns|usec|us|msec|ms|seconds?|sec|s|minutes?|min|m|hours?|hr|h|)")


def _nanoseconds(text: str) -> int:
    """Return the nanoseconds of a time whose default unit is a nanosecond."""
    total, at = 0, 0
    factors = {"": 1, "n": 1, "u": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
    while at < len(text.rstrip()):
        match = _NANOSECONDS.match(text, at)
        if not match or not match[0].strip():
            raise ValueError("not a time")
        unit = match[2]
        total += int(match[1]) * factors["ms" if unit in ("ms", "msec") else unit[:1]]
        at = match.end()
    return total


def _dumped(text: str) -> int:
    """Return the bits of CoredumpFilter= (core(5))."""
    if text == "all":
        return (1 << len(_DUMPED)) - 1
    mask, rest = 0, text
    while rest:
        word, after = first_word(rest)
        rest = after or ""
        if word in _DUMPED:
            mask |= 1 << _DUMPED.index(word)
        elif word == "default":
            mask |= 0x33
        elif word == "all":
            mask |= (1 << len(_DUMPED)) - 1
        elif word:
            try:
                mask |= int(word, 16)
            except ValueError:
                raise ValueError(f"{word} is not a kind of memory") from None
    return mask
