"""The pytest plugin: the fixtures `machine` and `machine_factory`, and what becomes of machines.

A machine lives as long as its scope says: a test, a module or the session. A failure that no call of the
test's has met fails the test as it ends.
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
    """The options; each of them may stand in the ini file too, but for notos-keep."""
    group = parser.getgroup("notos", "machines of Notos'")
    group.addoption("--notos-config", help="the config that machines are built from; config.yaml")
    group.addoption("--notos-artefacts", help="where consoles and screenshots go; .notos/artefacts")
    group.addoption("--notos-patience", help="by what all time limits are multiplied; 1")
    group.addoption("--notos-accel", help="kvm, tcg or auto; what the config says")
    group.addoption(
        "--notos-keep", action="store_true", help="let the machines of a failed test run on, and tell where"
    )
    parser.addini("notos_config", "the config that machines are built from", default="config.yaml")
    parser.addini("notos_artefacts", "where consoles and screenshots go", default=".notos/artefacts")
    parser.addini("notos_patience", "by what all time limits are multiplied", default="1")
    parser.addini("notos_accel", "kvm, tcg or auto", default="")
    parser.addini("notos_work", "where machines are built", default=".notos")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "machine(config=None, overrides=None, **more): what the fixture `machine` is made from, "
        "with all that machine_factory takes",
    )


@pytest.fixture(scope="session")
def machine_factory(request: pytest.FixtureRequest) -> "MachineFactory":
    """Makes machines, as many as are wanted: MachineFactory.__call__ says how."""
    # It is not ended as fixtures are, for they end in an order that the machines' scopes know nothing of.
    return request.config.stash.setdefault(_FACTORY, MachineFactory(request.config))


@pytest.fixture
def machine(request: pytest.FixtureRequest, machine_factory: "MachineFactory") -> Machine:
    """The machine of the config, booting; the marker `machine` says what is to be different."""
    marker = request.node.get_closest_marker("machine")
    return machine_factory(*marker.args, **marker.kwargs) if marker else machine_factory()


class MachineFactory:
    """What the fixture `machine_factory` gives."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._builder = Builder(self._path("notos_work"), print)
        self._machines: list[tuple[Scope, pytest.Item | None, Machine]] = []
        self._shared: dict[str, Machine] = {}
        self._over: list[Machine] = []  # ended, and the test's that has ended

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
        """A machine of `config`, a path from the rootdir, with `overrides` (keys of a config) laid on it.

        It is built if need be. A dict in place of a path is laid on the default config. `instrumented`
        gives it the backdoor besides ssh. Otherwise as at(). Raises MachineError, ConfigError.
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
        """The machine that was built at `path`, as Machine takes it, like `environment` and `more`.

        One of a wider `scope` than a test is the same one for all who ask for the same, unless it has
        ended. Unless it is to `start` later, it boots already.
        """
        if scope not in get_args(Scope):
            raise MachineError(f"scope {scope!r} is none of {', '.join(get_args(Scope))}")
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
        """Those that run, or have run in this test."""
        return [machine for _, _, machine in self._machines]

    def end(self, test: pytest.Item, following: pytest.Item | None) -> None:
        """A test has ended: end what lives no longer. Raises MachineLostError for what nobody has met."""
        failed = test.stash.get(_FAILED, False)
        over = [each for each in self._machines if self._is_over(each[0], each[1], following)]
        with ExitStack() as stack:
            for _, _, machine in over:
                stack.callback(self._end, machine, keep=failed)
            met: list[MachineError] = []
            for machine in self.machines():
                try:
                    machine.check()
                except MachineError as error:
                    met.append(error)
            # A failed test has told what was wrong; its machines' failures are not the next one's.
            if met and not failed:
                raise met[0]

    def begin(self) -> None:
        """A test begins: those that an earlier one has left behind are not its machines."""
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
        """End all that is left."""
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
        """`name`, with a number where a machine has it already."""
        taken = {machine.name for machine in self.machines()}
        return next(
            each for each in (name, *(f"{name}-{number}" for number in range(2, 1000))) if each not in taken
        )

    def _artefacts(self, scope: Scope) -> Path:
        if self._test and scope == "test":
            test = self._test.nodeid
        else:
            # Each worker of xdist's has its own.
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
    """Note whose machines come now."""
    item.config.stash[_TEST] = item
    if factory := item.config.stash.get(_FACTORY, None):
        factory.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Put what the machines said beside a failure, and where the rest of it is."""
    factory = item.config.stash.get(_FACTORY, None)
    machines = factory.machines() if factory and call.excinfo else []
    # The report takes the properties along as it is made.
    for machine in machines:
        told = (f"artefacts of {machine.name}", str(machine.artefacts))
        if told not in item.user_properties:
            item.user_properties.append(told)
    report: Any = yield
    if report.failed:
        item.stash[_FAILED] = True
        for machine in machines:
            if machine.has_started:
                _add(report, f"console of {machine.name}", "\n".join(machine.console.tail(40)))
    return report


def _add(report: Any, title: str, text: str) -> None:
    """Put a section below the failure itself, for JUnit's files have nothing else of a report."""
    if hasattr(report.longrepr, "addsection"):
        report.longrepr.addsection(title, text)
    else:
        report.sections.append((title, text))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """End machines after all fixtures that may still use them."""
    try:
        return (yield)
    finally:
        if factory := item.config.stash.get(_FACTORY, None):
            factory.end(item, nextitem)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what an interrupted session has left."""
    if factory := session.config.stash.get(_FACTORY, None):
        factory.close()
