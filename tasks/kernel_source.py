"""A kernel from source: unpack it, configure it from fragments, compile it in a sandbox."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from notos import atomic
from notos.home import own
from notos.system import contents
from tasks import project, reporter, sets, tools
from tasks.config import CACHE, FEATURES, FOLDER, HOST, MACHINE, build, gives, manifest, place
from tasks.graph import Task, action
from tasks.kernel_package import put
from tasks.targets import write_if_changed
from tasks.uptodate import Present
from tasks.usage import from_caller

if TYPE_CHECKING:
    from notos.kernel.kbuild import Kbuild
    from notos.kernel.kconfig import Request

SOURCE = build("kernel-source.json")
OUTPUT = build("kernel")
LOG = build("kernel.log")
EDITED = ["kernel:fetch"]


def tasks(config: str, vmlinuz: str, vmlinux: str) -> Iterator[Task]:
    """Yield the three tasks; `config`, `vmlinuz` and `vmlinux` are targets of the last two."""
    archive = [sets.path(contents.SOURCE)] if MACHINE.kernel.source and MACHINE.kernel.source.package else []
    base = [] if _is_own_base() else [MACHINE.kernel.base]
    yield {
        "name": "fetch",
        "doc": "unpack the kernel's source, and patch it",
        "actions": [action(fetch)],
        "file_dep": [*archive, *MACHINE.kernel.patches, tools.target("kernel")],
        "task_dep": ["fetch"],
        "targets": [SOURCE],
        "uptodate": [Present(where)],
        "clean": True,
    }
    yield {
        "name": "configure",
        "doc": "configure the kernel, and check the result against the config and the machine's requirements",
        "actions": [(action(configure), [config])],
        "file_dep": [SOURCE, tools.target("kernel"), *base, *MACHINE.kernel.fragments],
        "targets": [config],
        "clean": True,
    }
    yield {
        "name": "build",
        "doc": "compile the kernel and its modules; install vmlinuz, and vmlinux for TCG",
        "actions": [(action(compile_), [config, vmlinuz, vmlinux])],
        "file_dep": [
            SOURCE,
            tools.target("kernel"),
            config,
            *([MACHINE.kernel.signing_key] if MACHINE.kernel.signing_key else []),
        ],
        "targets": [manifest("kernel"), vmlinuz, vmlinux],
        "clean": True,
    }


def fetch() -> None:
    """Unpack the source into the cache, and write its key to the target."""
    from notos.kernel import source as kernel_source

    assert MACHINE.kernel.source is not None
    sha256 = MACHINE.kernel.source.sha256 or sets.hashes(contents.SOURCE)[str(MACHINE.kernel.source.package)]
    reporter.show("unpacking the kernel's source …")
    patches = [Path(each) for each in MACHINE.kernel.patches]
    key = kernel_source.ensure(CACHE, CACHE.download(sha256), sha256, patches, tools.tree("kernel"))
    write_if_changed(SOURCE, json.dumps({"key": key}).encode())


def where() -> list[Path]:
    """Return the source's folder; none before its task has run."""
    return [CACHE.source(_key())] if Path(SOURCE).exists() else []


def _key() -> str:
    key: str = json.loads(Path(SOURCE).read_bytes())["key"]
    return key


def _kbuild() -> "Kbuild":
    from notos.kernel.kbuild import Kbuild

    return Kbuild(
        identity=" ".join([_key(), Path(tools.target("kernel")).read_text(), _signed_by()]),
        tools=tools.tree("kernel"),
        source=CACHE.source(_key()),
        output=Path(OUTPUT).absolute(),
        ccache=CACHE.ccache,
        build=HOST.build(MACHINE.build, gives),
        target=MACHINE.target,
        signing_key=Path(MACHINE.kernel.signing_key) if MACHINE.kernel.signing_key else None,
    )


def _signed_by() -> str:
    """Return the hash of the key that signs modules, since make compares only its time."""
    import hashlib

    key = MACHINE.kernel.signing_key
    return hashlib.sha256(Path(key).read_bytes()).hexdigest() if key else ""


def _asked() -> "list[Request]":
    """Return the requests of fragments and options, in order. Raises KernelError with all invalid lines."""
    from notos import errors
    from notos.kernel import kbuild, kconfig

    asked: list[Request] = []
    invalid = []
    for each in MACHINE.kernel.fragments:
        try:
            asked += kconfig.fragment(_read(each), _shown(each))
        except errors.KernelError as error:
            invalid.append(error)
    errors.raise_all(invalid)
    for symbol, value in MACHINE.kernel.options.items():
        asked.append(_option(symbol, value, "options", symbol))
    if MACHINE.kernel.signing_key:
        asked.append(_option("MODULE_SIG_KEY", kbuild.KEY, "signing_key"))
    return asked


def _option(symbol: str, value: str | int, *keys: str) -> "Request":
    """Return the request of the config at `keys` below kernel."""
    from notos.kernel import kconfig

    return kconfig.option(symbol, value, place("kernel", *keys), ("kernel", *keys))


def _shown(path: str) -> str:
    """Return a path as the user would write it."""
    own = Path(os.path.normpath(path))
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def _read(path: str) -> str:
    """Return the text of a fragment. Raises KernelError."""
    from notos.errors import KernelError

    data = Path(path).read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{_shown(path)}:{line}: byte 0x{data[error.start]:02x} is not UTF-8 text"
        raise KernelError(message, hint="a fragment has lines like CONFIG_X=y") from None


def _is_own_base() -> bool:
    """Return True if the configuration starts from one of the kernel's own; else from a file."""
    return MACHINE.kernel.base in ("tinyconfig", "defconfig", *MACHINE.target.defconfigs)


def _resolved(asked: "list[Request]") -> str:
    base = MACHINE.kernel.base if _is_own_base() else Path(MACHINE.kernel.base).read_bytes()
    return _kbuild().resolve(base, [str(each) for each in asked])


def configure(config: str) -> None:
    """Make the configuration. Raises KernelError for requested or required options with another value."""
    from notos.kernel import kconfig, requirements
    from notos.kernel.kconfig import Request

    asked = _asked()
    text = _resolved(asked)
    symbols = kconfig.symbols(text)
    source = CACHE.source(_key())
    if problems := kconfig.unmet(asked, symbols):
        hint = "change kernel.options or the fragments"
        raise kconfig.explained(problems, source, symbols, MACHINE.target, hint=hint)
    if lacking := requirements.lacking(symbols, FEATURES.requirements):
        said = {each.symbol: each for each in asked}
        problems = []
        for each in lacking:
            by = said.get(each.symbol, Request(each.symbol, "", ""))
            problems.append(Request(each.symbol, "y", by.where, each.why, by.keys or each.keys))
        hint = f"{own('kernel')}/*.config set the options that machines need; add them to kernel.fragments"
        raise kconfig.explained(problems, source, symbols, MACHINE.target, hint=hint)
    requirements.check_signed(symbols)
    write_if_changed(config, text.encode())


def compile_(config: str, vmlinuz: str, vmlinux: str) -> None:
    """Compile the kernel and its modules, and add them to the store."""
    from notos.kernel import package as kernel_package
    from notos.kernel.modules import Modules

    tree = _kbuild().compile(Path(config).read_text(), Path(LOG), _progress)
    project.add("kernel", f"linux-{kernel_package.version(Modules(tree).release)}", tree)
    put(vmlinuz, vmlinux)


def _progress(done: int, total: int, name: str) -> None:
    reporter.show(f"kernel:build: compiling {done} of {total}: {name}")


def menuconfig(_config: str, to: str | None) -> None:
    """Edit the configuration, and write the changes to a fragment. Raises KernelError."""
    from notos.kernel import kconfig

    had = _resolved(_asked())
    before, after, has = _kbuild().edit(had)
    lines = kconfig.changes(before, after, kconfig.symbols(had), kconfig.symbols(has))
    if not lines:
        print("no changes")
        return
    target = from_caller(to) if to else Path(FOLDER, "menuconfig.config")
    target.parent.mkdir(parents=True, exist_ok=True)
    had = target.read_text() if to and target.exists() else ""
    atomic.write(target, kconfig.replaced(had, lines), mode=None, durable=True)
    print("\n".join(lines))
    named = any(Path(each).samefile(target) for each in MACHINE.kernel.fragments)
    print(f"written to {target}" + ("" if named else "; add it to kernel.fragments to keep it"))


def diffconfig(_config: str) -> None:
    """Print the requested options with their results, differences first, then other changed options."""
    from notos.kernel import kconfig

    asked = _asked()
    symbols = kconfig.symbols(_resolved(asked))
    last = kconfig.last(asked)
    differ = kconfig.unmet(asked, symbols)
    for each in [*differ, *(each for each in last if each not in differ)]:
        mark = "!" if each in differ else " "
        got = symbols.get(each.symbol, "n")
        print(f"{mark} {each.symbol:<34} requested {each.value:<8} got {got:<8} {each.where}")
    base = kconfig.symbols(_resolved([]))
    names = {each.symbol for each in asked}
    others = sorted(
        name
        for name in symbols.keys() | base.keys()
        if symbols.get(name) != base.get(name) and name not in names
    )
    print(f"{len(last)} options requested, {len(differ)} with another result; {len(others)} others changed:")
    for name in others:
        print(f"  {name:<34} {base.get(name, 'n')} -> {symbols.get(name, 'n')}")
