"""The locale of services and logins, and further locales."""

from collections.abc import Iterator

from notos.config.model import Glob, LocaleName, Machine, Package, PackageName
from notos.config.reader import Checks
from notos.features.model import Choice, EtcFile, Feature, Text

KEYS = ("locale",)
CHECKS: Checks = {}

_FOLDER = "lib/locale"
_C = Package(name=PackageName("libc-bin"), only=(Glob(f"usr/{_FOLDER}/C.utf8/*"),))
_ALL = PackageName("locales-all")  # every locale of libc, compiled
_BUILT_IN = ("C", "POSIX")


def feature(machine: Machine) -> Feature:
    """Return the locales, and the file with LANG, which runit/2 and /etc/profile read."""
    choices = tuple(_choices(machine))
    packages = [_C]
    if choices:
        only = tuple(Glob(f"usr/{_FOLDER}/{each.path}/*") for each in choices)
        packages.append(Package(name=_ALL, only=only))
    return Feature(
        packages=tuple(packages),
        choices=choices,
        etc=(EtcFile(path="default/locale", content=Text(f"LANG={lang(machine)}\n")),),
    )


def lang(machine: Machine) -> str:
    """Return the value of LANG."""
    return machine.locale[0] if machine.locale else "C.UTF-8"


def _choices(machine: Machine) -> Iterator[Choice]:
    for name in machine.locale:
        folder = compiled(name)
        if folder not in ("C.utf8", *_BUILT_IN):
            yield Choice(_ALL, _FOLDER, folder, "locale", ("locale", name), folder_of_files=True)


def compiled(name: LocaleName) -> str:
    """Return the folder in which glibc looks for a locale: the name with its character set normalized.

    Letters become lower case, and hyphens are left out (locale/findlocale.c, _nl_normalize_codeset).
    """
    head, dot, rest = name.partition(".")
    charset, at, modifier = rest.partition("@")
    return f"{head}{dot}{charset.lower().replace('-', '')}{at}{modifier}"
