"""The scripts in a config, of services, of the boot and of timers, for checks of what they need."""

from collections.abc import Iterator
from typing import NamedTuple

from notos.features.model import Features, Keys, Script
from notos.formats.tree import File, Tree


class OwnScript(NamedTuple):
    """A script in the config or an extension.

    where     its name in messages: services.web.run
    data      its content
    keys      the key in the config that defines it
    packages  where to add the packages it needs, for hints
    user      the account that runs it; root's is ""
    """

    where: str
    data: bytes
    keys: Keys
    packages: str
    user: str = ""


def own_scripts(features: Features, runit: Tree) -> Iterator[OwnScript]:
    """Yield the scripts of `features` that are not built in; `runit` is the tree of the runit object."""
    for service in features.services:
        yield from (_of_key(each) for each in service.scripts)
        if not service.keys:
            continue
        name, is_own = service.name, service.keys[0] == "services"
        key = "source" if service.folder else "run"
        for file in ("run", "finish", "log/run"):
            entry = runit.get(f"services/{name}/{file}")
            if isinstance(entry, File):
                where = f"services.{name}.run" if is_own and key == "run" else f"{file} of the service {name}"
                yield OwnScript(
                    where,
                    entry.read(),
                    (*service.keys, key) if is_own else service.keys,
                    f"services.{name}.packages" if is_own else "the extension's packages",
                )
    yield from (_of_key(each) for each in features.scripts if each.text and each.keys)


def _of_key(script: Script) -> OwnScript:
    where, keys = ".".join(script.keys), (*script.keys, "run")
    return OwnScript(f"{where}.run", script.text.encode(), keys, f"{where}.packages", script.user)
