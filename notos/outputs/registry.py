"""The outputs of a machine: those that the project's extensions add."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from notos import errors
from notos.config.model import Machine, RelativePath
from notos.config.types import TEXTS
from notos.config.yaml_source import Consequence, Node, Problem, key_place
from notos.errors import ConfigError, NotosError
from notos.features import extension_code, extensions, plain, values
from notos.features.extensions import Extended
from notos.features.model import Features
from notos.outputs.model import Output
from notos.system import contents

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


class Added(NamedTuple):
    """An output, and the extension that adds it."""

    output: Output
    by: Extended


def outputs(machine: Machine) -> Mapping[str, Added]:
    """Return the outputs by name, in the order of the config. Raises ConfigError with all mistakes."""
    found: dict[str, Added] = {}
    mistakes: list[NotosError] = []
    for each in extensions.of(machine):
        try:
            made = list(_of(machine, each))
        except ConfigError as error:
            mistakes.append(error)
            continue
        for output in made:
            if output.name in found:
                owner = extension_code.shown(found[output.name].by.code.file)
                file = extension_code.shown(each.code.file)
                message = f"{file} gives the output {output.name}, which {owner} gives too"
                mistakes.append(ConfigError(message, keys=each.keys))
            found[output.name] = Added(output, each)
    errors.raise_all(mistakes)
    return found


def problems(machine: Machine, features: Features, node: Node) -> Iterator[Problem]:
    """Yield what is wrong with the outputs of the machine's extensions."""
    try:
        found = outputs(machine)
    except NotosError as error:
        for each in error.parts or (error,):
            yield Consequence(f"{'.'.join(each.keys)}: {each}", key_place(node, *each.keys))
        return
    for extended in extensions.of(machine):
        for name in extended.feature(machine).tools:
            where, place = ".".join(extended.keys), key_place(node, *extended.keys)
            if f"tools/{name}" in contents.TOOLS:
                yield Problem(f"{where}: Notos has tools called {name}; name yours otherwise", place)
            elif not _NAME.fullmatch(name):
                yield Problem(f'{where}: a name in Feature.tools has lower-case letters; got "{name}"', place)
    for added in found.values():
        for name in added.output.tools:
            if name not in features.tools:
                message = f"the output {added.output.name} runs tools that no feature gives: {name}"
                hint = f"add {name} to Feature.tools"
                yield Problem(
                    f"{'.'.join(added.by.keys)}: {message}: {hint}", key_place(node, *added.by.keys)
                )


def _of(machine: Machine, extended: Extended) -> Iterator[Output]:
    """Yield the outputs of one extension. Raises ConfigError."""
    file = extension_code.shown(extended.code.file)
    try:
        made = extended.code.call("outputs", machine, extended.settings)
        if made is None and not hasattr(extended.code.module, "outputs"):
            return
        if not isinstance(made, list | tuple):
            raise ConfigError(
                f"{file}: outputs() returns {values.named(made)}", hint="it must return a list of Output"
            )
        for number, each in enumerate(made):
            where = f"outputs()[{number}]"
            mistakes = list(values.wrong(each, Output, where)) or list(_mistakes(each))
            if mistakes:
                raise ConfigError(f"{file}: {'; '.join(mistakes)}")
            yield each
    except ConfigError as error:
        error.keys = error.keys or extended.keys
        raise


def _mistakes(output: Output) -> Iterator[str]:
    """Yield what is wrong with an output whose values have the right types."""
    if not _NAME.fullmatch(output.name):
        yield f'Output.name wants lower-case letters, digits and inner hyphens; got "{output.name}"'
    if not output.doc.strip() or "\n" in output.doc:
        yield f"the output {output.name} wants a doc of one line"
    if not output.files:
        yield f"the output {output.name} has no files"
    for each in output.files:
        if not re.fullmatch(TEXTS[RelativePath].pattern, each):
            yield f'Output.files wants paths below the output\'s folder; got "{each}"'
    below = [(one, other) for one in output.files for other in output.files if other.startswith(f"{one}/")]
    for one, other in below:
        yield f"the output {output.name} has the file {other} below the file {one}"
    try:
        plain.of(output.arguments)
    except TypeError as error:
        yield f"the output {output.name} has arguments that cannot be compared: {error}"
    if len(set(output.files)) < len(output.files):
        yield f"the output {output.name} has a file twice"


def write(added: Added, inputs: object, folder: Path) -> None:
    """Have an output's function make its files in `folder`, which is empty. Raises NotosError."""
    output = added.output
    try:
        output.write(inputs, folder, **output.arguments)
    except (Exception, SystemExit) as error:
        raise ConfigError(added.by.code.explained(error), keys=added.by.keys) from error
    made = {
        str(each.relative_to(folder)) for each in folder.rglob("*") if not each.is_dir() or each.is_symlink()
    }
    for name, message in (
        *((each, "was not written") for each in output.files if each not in made),
        *((each, "was written and is not in its files") for each in sorted(made - {*output.files})),
    ):
        raise ConfigError(f"the output {output.name}: {name} {message}", keys=added.by.keys)
    for each in output.files:
        path = folder / each
        if not path.is_file() or path.is_symlink():
            raise ConfigError(f"the output {output.name}: {each} is not a regular file", keys=added.by.keys)
