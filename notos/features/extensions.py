"""The project's extensions: features whose code is beside the config (docs/extending.md)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from notos.config.model import (
    KernelParam,
    Machine,
    PackageName,
    RelativePath,
    ServiceName,
    ServiceUnit,
    SourceFile,
    SourceFolder,
)
from notos.config.reader import Checks
from notos.config.types import TEXTS
from notos.errors import ConfigError
from notos.features import extension_code, plain
from notos.features.extension_code import Code
from notos.features.join import join
from notos.features.model import Computed, Content, Copy, Feature, Keys, Unit

KEYS = ("extensions",)
CHECKS: Checks = {}  # notos.features.checks has those between extensions and other features

_FRAGMENT = re.compile(r"boot/[0-9]{2}-[A-Za-z0-9._-]+")


class Extended(NamedTuple):
    """An extension of a machine: its code, and the settings that the config gives it."""

    code: Code
    settings: Any

    @property
    def keys(self) -> Keys:
        """The path of the key that names it."""
        return ("extensions", self.code.name)

    def feature(self, machine: Machine) -> Feature:
        """Return what it adds to a machine, its paths absolute. Raises ConfigError with `keys`."""
        try:
            return self._feature(machine)
        except ConfigError as error:
            error.keys = error.keys or self.keys
            raise

    def _feature(self, machine: Machine) -> Feature:
        from notos.features import values

        found = self.code.call("feature", machine, self.settings)
        if found is None and not hasattr(self.code.module, "feature"):
            return Feature()
        file = extension_code.shown(self.code.file)
        if not isinstance(found, Feature):
            got = values.named(found)
            raise ConfigError(f"{file}: feature() returns {got}", hint="it must return a Feature")
        if mistakes := list(values.wrong(found, Feature, "Feature")):
            raise ConfigError(f"{file}: {'; '.join(mistakes)}")
        try:
            plain.of(found)
        except TypeError as error:
            raise ConfigError(f"{file}: {error}; a Feature has texts, numbers and lists of them") from None
        if found.stage1:
            raise ConfigError(f"{file}: Feature.stage1 is for Notos' own features", hint="leave it out")
        try:
            return _placed(found, Path(extension_code.shown(self.code.folder)), self.keys)
        except ValueError as error:
            raise ConfigError(f"{file}: {error}") from None
        except OSError as error:
            raise ConfigError(f"{file}: cannot read {error.filename}: {error.strerror}") from None


def of(machine: Machine) -> tuple[Extended, ...]:
    """Return the machine's extensions, in the order of the config. Raises ConfigError."""
    return tuple(
        Extended(extension_code.code(name, each.file), each.settings)
        for name, each in machine.extensions.items()
    )


def feature(machine: Machine) -> Feature:
    """Return the join of what all extensions add. Raises ConfigError, ValueError."""
    return join([Feature(), *(each.feature(machine) for each in of(machine))])


def computing(machine: Machine) -> tuple[Code, ...]:
    """Return the code of extensions that compute files of /etc: these files depend on all of it."""
    return tuple(
        each.code
        for each in of(machine)
        if any(isinstance(etc.content, Computed) for etc in each.feature(machine).etc)
    )


def _placed(feature: Feature, folder: Path, keys: Keys) -> Feature:
    """Return the feature with absolute paths for those relative to `folder`, and `keys` for errors' lines.

    Raises ValueError for a name that cannot be one, and for a file that is missing.
    """
    for script in feature.scripts:
        if not _FRAGMENT.fullmatch(script.path):
            raise ValueError(f'Script.path wants boot/NN-name; got "{script.path}"')
    for service in feature.services:
        _check(service.name, ServiceName, "Service.name")
        if sum(map(bool, (service.folder, service.run, service.unit))) != 1:
            raise ValueError(f"the service {service.name} wants either folder or run or unit")
    for file in feature.etc:
        _check(file.path, RelativePath, "EtcFile.path")
        if not re.fullmatch("0[0-7]{3}", file.mode):
            raise ValueError(f'EtcFile.mode wants four octal digits ("0644"); got "{file.mode}"')
    for param in feature.kernel_params:
        _check(param, KernelParam, "Feature.kernel_params")
    tools = [each for packages in feature.tools.values() for each in packages]
    for package in (*feature.packages, *feature.initrd_packages, *tools):
        _check(package.name, PackageName, "Package.name")
    return replace(
        feature,
        requirements=tuple(replace(each, keys=keys) for each in feature.requirements),
        scripts=tuple(
            each._replace(source=_path(each.source or each.path, folder, SourceFile))
            for each in feature.scripts
        ),
        services=tuple(
            each._replace(
                folder=each.folder and _path(each.folder, folder, SourceFolder),
                unit=each.unit and _unit(each.unit, folder),
                keys=keys,
            )
            for each in feature.services
        ),
        etc=tuple(each._replace(content=_content(each.content, folder), keys=keys) for each in feature.etc),
    )


def _unit(unit: Unit, folder: Path) -> Unit:
    """Return a unit with the absolute path of its file. Raises ValueError, OSError."""
    _check(unit.name, ServiceUnit, "Unit.name")
    return unit._replace(file=unit.file and _path(unit.file, folder, SourceFile))


def _check(text: str, kind: Any, where: str) -> None:
    """Raise ValueError if `text` is not of the type of text `kind`."""
    wanted = TEXTS[kind]
    if not re.fullmatch(wanted.pattern, text):
        raise ValueError(f'{where} wants {wanted.name} ({wanted.form}); got "{text}"')


def _path(text: str, folder: Path, kind: Any) -> str:
    """Return the absolute path of a file or folder. Raises ValueError, OSError where it cannot be read."""
    convert = TEXTS[kind].convert
    assert convert is not None, "paths are converted"
    return convert(text, folder)


def _content(content: Content, folder: Path) -> Content:
    return Copy(_path(content.source, folder, SourceFile)) if isinstance(content, Copy) else content


# Clashes ----------------------------------------------------------------------------------------------


def clashes(
    others: Sequence[tuple[str, Feature]], extended: Sequence[tuple[Extended, Feature]]
) -> Iterator[tuple[Keys, str]]:
    """Yield what extensions add under a name that is taken: the key of the extension, and a message.

    `others` are features of others, each with whose it is.
    """
    owners: dict[tuple[str, str], tuple[str, Any]] = {}
    for other_owner, each in others:
        for kind, name, value in _names(each):
            owners[kind, name] = (other_owner, value)
    for by, each in extended:
        file = extension_code.shown(by.code.file)
        own: set[tuple[str, str]] = set()
        for kind, name, value in _names(each):
            owner, other = owners.setdefault((kind, name), (file, value))
            if owner == file and (kind, name) not in own:
                own.add((kind, name))
            elif kind not in _MAY_AGREE or value != other:
                subject = f"{kind} {name}".strip()
                reason = "twice" if owner == file else f"which {owner} gives too"
                if kind in _MAY_AGREE:
                    reason = f"with other settings than {owner}"
                yield by.keys, f"{file} gives {subject}{', ' if owner != file else ' '}{reason}"


_MAY_AGREE = ("the package", "the package of the initrd")
_SINGLE = ("subnet", "drive", "remote_builder")


def _names(feature: Feature) -> Iterator[tuple[str, str, Any]]:
    """Yield the kind and the name of each part of a feature that only one feature may give, and its value."""
    for service in feature.services:
        yield "the service", service.name, None
        if service.log:
            yield "the service", f"{service.name}.log", None
    for file in feature.etc:
        yield "the file", f"/etc/{file.path}", None
    for script in feature.scripts:
        yield "the boot fragment", script.path.removeprefix("boot/"), None
    for name in feature.accounts:
        yield "the accounts of", name, None
    for package in feature.packages:
        yield "the package", package.name, package
    for package in feature.initrd_packages:
        yield "the package of the initrd", package.name, package
    for tree in feature.tools:
        yield "the tools", tree, None
    for field in _SINGLE:
        if getattr(feature, field):
            yield f"Feature.{field}", "", None
