"""The pytest plugin: the fixtures `machine` and `machine_factory`, and the lifetime of machines.

A machine lives as long as its scope: a test, a module or the session. A failure of a machine that no call of
the test has raised fails the test at its end.
"""

import os
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from notos.errors import MachineError
from notos.vm.builder import Builder
from notos.vm.machine import Machine

__tracebackhide__ = True  # a failed test shows the test's line

Scope = Literal["test", "module", "session"]

_FAILED = pytest.StashKey[bool]()
_TEST = pytest.StashKey[pytest.Item]()
_FACTORY = pytest.StashKey["MachineFactory"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; each but notos-keep can be set in the ini file, too."""
    group = parser.getgroup("notos", "Notos machines")
    group.addoption("--notos-config", help="config of the machines (default: config.yaml)")
    group.addoption("--notos-artefacts", help="folder for logs and screenshots (default: .notos/artefacts)")
    group.addoption("--notos-patience", help="factor for all timeouts (default: 1)")
    group.addoption("--notos-accel", help="kvm, tcg or auto (default: from the config)")
    group.addoption(
        "--notos-keep", action="store_true", help="keep machines of a failed test running, show how to log in"
    )
    parser.addini("notos_config", "config of the machines", default="config.yaml")
    parser.addini("notos_artefacts", "folder for logs and screenshots", default=".notos/artefacts")
    parser.addini("notos_patience", "factor for all timeouts", default="1")
    parser.addini("notos_accel", "kvm, tcg or auto", default="")
    parser.addini("notos_work", "folder to build machines in", default=".notos")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "machine(config=None, overrides=None, **more): the fixture `machine`'s arguments of machine_factory",
    )


@pytest.fixture(scope="session")
def machine_factory(request: pytest.FixtureRequest) -> "MachineFactory":
    """Return a factory of machines; see MachineFactory.__call__."""
    # No teardown here: the order of fixtures' teardowns does not fit the scopes of machines.
    return request.config.stash.setdefault(_FACTORY, MachineFactory(request.config))


@pytest.fixture
def machine(request: pytest.FixtureRequest, machine_factory: "MachineFactory") -> Machine:
    """Return a booting machine of the config; the marker `machine` has arguments for machine_factory."""
    marker = request.node.get_closest_marker("machine")
    return machine_factory(*marker.args, **marker.kwargs) if marker else machine_factory()


class MachineFactory:
    """The value of the fixture `machine_factory`."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._builder = Builder(self._path("notos_work"), print)
        self._machines: list[tuple[Scope, pytest.Item | None, Machine]] = []
        self._shared: dict[str, Machine] = {}
        self._over: list[Machine] = []  # machines that ended with the present test

    def __call__(
        self,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        *,
        name: str = "",
        scope: Scope = "test",
        instrumented: bool = False,
        **more: Any,
    ) -> Machine:
        """Return a machine of `config`, a path from the rootdir, with the keys in `overrides` merged onto it.

        The machine is built if necessary. A dict in place of a path is merged onto the default config.
        `instrumented` adds the backdoor to ssh. Otherwise like at(). Raises MachineError, ConfigError.
        """
        if isinstance(config, Mapping):
            overrides = {**config, **(overrides or {})}
            config = None
        base = self._config.rootpath / config if config else self._path("notos_config")
        script, built = self._builder.build(base, overrides, instrumented=instrumented)
        return self.at(script, name=name or built.name, scope=scope, debian=built.debian, **more)

    def at(
        self,
        path: str | os.PathLike[str],
        *,
        name: str = "machine",
        scope: Scope = "test",
        start: bool = True,
        environment: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Machine:
        """Return the machine that was built at `path`; Machine documents `path`, `environment` and `more`.

        With a `scope` wider than a test, calls with the same arguments return the same machine while it runs.
        With `start` the machine boots already.
        """
        if scope not in get_args(Scope):
            raise MachineError(f"scope must be {', '.join(get_args(Scope))}; got {scope!r}")
        key = repr((scope, self._owner(scope), os.fspath(path), name, environment, more))
        if scope != "test" and key in self._shared and self._shared[key].running:
            return self._shared[key]
        accel = self._option("notos_accel")
        name = self._free(name)
        options: dict[str, Any] = {
            "artefacts": self._artefacts(scope) / name,
            "patience": float(self._option("notos_patience")),
            "outlive": bool(self._config.getoption("notos_keep")),
            **more,
        }
        given = more.get("instance")
        if isinstance(given, str | os.PathLike):
            options["instance"] = self._config.rootpath / given
        machine = Machine(
            path,
            name=name,
            environment={**({"ACCEL": accel} if accel else {}), **(environment or {})},
            **options,
        )
        self._machines.append((scope, self._test, machine))
        if scope != "test":
            self._shared[key] = machine
        if start:
            machine.start()
        return machine

    def machines(self) -> list[Machine]:
        """Return the machines that run, or have run in this test."""
        return [machine for _, _, machine in self._machines]

    def end(self, test: pytest.Item, following: pytest.Item | None) -> None:
        """End the machines whose scope ends with this test.

        Raises MachineLostError for a machine's failure that no call of the test has raised.
        """
        failed = test.stash.get(_FAILED, False)
        over = [each for each in self._machines if self._is_over(each[0], each[1], following)]
        with ExitStack() as stack:
            for _, _, machine in over:
                stack.callback(self._end, machine, keep=failed)
            errors: list[MachineError] = []
            for machine in self.machines():
                try:
                    machine.check()
                except MachineError as error:
                    errors.append(error)
            # A failed test has its own error; check() has cleared the failures for the next test.
            if errors and not failed:
                raise errors[0]

    def begin(self) -> None:
        """Forget the machines that ended with an earlier test."""
        self._machines = [each for each in self._machines if each[2] not in self._over]
        self._over = []

    def _end(self, machine: Machine, *, keep: bool) -> None:
        self._over.append(machine)
        if keep and self._config.getoption("notos_keep") and machine.running:
            print(machine.keep())  # shown with the failure, by xdist too
        else:
            machine.close()

    @property
    def _test(self) -> pytest.Item | None:
        return self._config.stash.get(_TEST, None)

    def close(self) -> None:
        """End all remaining machines."""
        for _, _, machine in self._machines:
            machine.close()
        self._machines = []

    def _is_over(self, scope: Scope, owner: pytest.Item | None, following: pytest.Item | None) -> bool:
        if following is None:
            return True
        if scope == "module":
            return owner is not None and owner.path != following.path
        return scope == "test"

    def _owner(self, scope: Scope) -> str:
        return self._test.nodeid.partition("::")[0] if scope == "module" and self._test else ""

    def _free(self, name: str) -> str:
        """Return `name`, with a number appended if a machine already has it."""
        taken = {machine.name for machine in self.machines()}
        return next(
            each for each in (name, *(f"{name}-{number}" for number in range(2, 1000))) if each not in taken
        )

    def _artefacts(self, scope: Scope) -> Path:
        if self._test and scope == "test":
            test = self._test.nodeid
        else:
            # Each xdist worker has its own folder.
            worker = os.environ.get("PYTEST_XDIST_WORKER", "")
            test = "-".join(filter(None, (self._owner(scope) or "session", worker)))
        safe = "".join(each if each.isalnum() or each in "._-[]" else "-" for each in test)
        return self._path("notos_artefacts") / safe[-120:]

    def _path(self, option: str) -> Path:
        return self._config.rootpath / self._option(option)

    def _option(self, name: str) -> str:
        given = self._config.getoption(name, None)
        return str(given if given is not None else self._config.getini(name))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Record the test that the next machines belong to."""
    item.config.stash[_TEST] = item
    if factory := item.config.stash.get(_FACTORY, None):
        factory.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Add the end of the machines' consoles, and the folders of their logs, to the report of a failure."""
    factory = item.config.stash.get(_FACTORY, None)
    machines = factory.machines() if factory and call.excinfo else []
    # Set the properties first: the report copies them when it is made.
    for machine in machines:
        entry = (f"artefacts of {machine.name}", str(machine.artefacts))
        if entry not in item.user_properties:
            item.user_properties.append(entry)
    report: Any = yield
    if report.failed:
        item.stash[_FAILED] = True
        for vm in machines:
            if vm.has_started:
                _add(report, f"console of {vm.name}", "\n".join(vm.console.tail(40)))
    return report


def _add(report: Any, title: str, text: str) -> None:
    """Append a section to the failure's text, because JUnit files contain only that."""
    if hasattr(report.longrepr, "addsection"):
        report.longrepr.addsection(title, text)
    else:
        report.sections.append((title, text))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """End machines after the teardown of all fixtures that may still use them."""
    try:
        return (yield)
    finally:
        if factory := item.config.stash.get(_FACTORY, None):
            factory.end(item, nextitem)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the machines that an interrupted session has left."""
    if factory := session.config.stash.get(_FACTORY, None):
        factory.close()
