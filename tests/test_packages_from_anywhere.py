"""Machines with packages of third parties, of Ubuntu and of the user, from the config to the image."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from notos import architecture, loader
from notos.cache import Cache
from notos.debian.archive import Archive
from notos.toolchain import peers
from tests import made_up_machine
from tests.conftest import RAN, ROOT
from tests.fork_server import ForkServer
from tests.signed_archive import SUITE, Deb, Fault, Server, SignedArchive, serving, stamp
from tests.test_every_key import World as Builds
from tests.third_party import NOW, Repository

Config = dict[str, Any]
RELEASE = "6.8.0-31-generic"


@dataclass
class World:
    """A signed archive, and projects that are built from it with one cache."""

    folder: Path
    archive: SignedArchive
    debs: list[Deb]
    server: Server
    runs: ForkServer
    numbers: Iterator[int]

    @property
    def mirror(self) -> str:
        return f"{self.server.url}/debian"

    def project(self, **config: Any) -> Path:
        """Return a new project; `config` is merged into the least machine of this world."""
        made = self.folder / f"project-{next(self.numbers)}"
        made.mkdir()
        self.write(made, **config)
        return made

    def write(self, project: Path, **config: Any) -> None:
        debian = {"mirror": self.mirror, "security_mirror": f"{self.mirror}-security"}
        made: Config = {
            "name": "tiny",
            "initrd": {"compression_level": 1},
            "ssh": {"server": "none"},
            "vm": {"memory": 300},
            **config,
            "debian": {**debian, **config.get("debian", {})},
            "system": {"compression": "none", **config.get("system", {})},
        }
        (project / "config.yaml").write_text(yaml.safe_dump(made, sort_keys=False))

    def party(self, name: str) -> Repository:
        return Repository(self.archive.root / name)

    def source(self, project: Path, party: Repository, *packages: str, **values: Any) -> Config:
        party.key_file(project / f"{party.root.name}.asc")
        url = f"{self.server.url}/{party.root.name}"
        return {
            "url": url,
            "suites": "stable",
            "key": f"{party.root.name}.asc",
            "packages": [*packages],
            **values,
        }

    def failed(self, project: Path, *words: str) -> str:
        """Return what a command prints that fails."""
        with pytest.raises(AssertionError, match=f"notos {' '.join(words)} in") as caught:
            self.runs.run(project, *words)
        return str(caught.value)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("anywhere")
    debian = loader.load(ROOT / "config.yaml").machine.debian
    real = Archive(debian, Cache.default(), architecture.host())
    programs = peers.tree(made_up_machine.REAL, real, ROOT / "build/tests/every-key.lock")
    archive = SignedArchive(folder / "archive")
    debs = made_up_machine.debs(programs)
    archive.publish(debs)
    environment = {
        "NO_PROXY": "127.0.0.1",
        "NOTOS_CACHE": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "xdg"),
    }
    with serving(archive.root) as server:
        environment["NOTOS_MIRROR"] = f"{server.url}/debian"
        environment["NOTOS_SECURITY_MIRROR"] = f"{server.url}/debian-security"
        with ForkServer(archive.keys, environment) as runs:
            yield World(folder, archive, debs, server, runs, iter(range(1000)))


def outputs(project: Path) -> Mapping[str, str]:
    return Builds.outputs(project / "build/tiny")


def ran(said: str) -> set[str]:
    """Return the tasks that ran."""
    return {match[1] for line in said.splitlines() if (match := RAN.match(line))}


def locked(project: Path) -> Config:
    found: Config = json.loads((project / "config.lock").read_text())
    return found


def hello(version: str, text: str = "hello", **values: Any) -> Deb:
    return Deb("hello", version, files={"usr/share/hello/text": text.encode()}, **values)


# --- sources


def test_a_source_from_the_config_to_the_image(world: World) -> None:
    party = world.party("party")
    party.publish(hello("2", "theirs", depends="hello-data"), Deb("hello-data", "9"), Deb("libc6", "9"))
    project = world.project(system={"packages": ["hello"]})
    world.runs.run(project, "runvm")
    before = outputs(project)
    source = world.source(project, party, "hello")
    world.write(project, system={"packages": ["hello"]}, debian={"sources": [source]})
    world.runs.run(project, "runvm")
    lock = locked(project)
    assert lock["packages"]["hello"]["version"] == "2"
    assert (lock["packages"]["hello"]["origin"], lock["packages"]["hello"]["suite"]) == (
        source["url"],
        "stable",
    )
    assert lock["packages"]["libc6"]["version"] == lock["packages"]["hello-data"]["version"] == "1"
    assert lock["sources"] == [
        {
            "components": ["main"],
            "packages": ["hello"],
            "pin": 500,
            "suites": ["stable"],
            "url": source["url"],
        }
    ]
    assert "hello" not in lock["tools"]["packages"]
    after = outputs(project)
    assert {name for name in after if after[name] != before[name]} >= {"root.squashfs", "sets/system.json"}
    # The programs of the build keep their versions.
    assert [name for name in after if name.startswith("sets/tools") and after[name] != before[name]] == []
    assert world.runs.run(project, "runvm") == "runvm: up to date\n"
    # A build from nothing with this lock and without the cache is the same; so is one of a moved project.
    shutil.move(project, moved := project.with_name("moved"))
    shutil.rmtree(moved / "build")
    shutil.rmtree(world.folder / "cache/sha256")
    world.runs.run(moved, "runvm")
    assert outputs(moved) == after
    # Without the source, the release's package comes back.
    world.write(moved, system={"packages": ["hello"]})
    world.runs.run(moved, "runvm")
    assert outputs(moved) == before
    assert "sources" not in locked(moved)


def test_a_change_of_patterns_locks_again_and_rebuilds_no_more_than_it_must(world: World) -> None:
    party = world.party("patterns")
    party.publish(hello("2"), Deb("hello-data", "2"), Deb("unused", "2"))
    project = world.project(system={"packages": ["hello", "hello-data"]})
    for packages, versions, all_tasks in (
        (["hello"], ("2", "1"), True),
        (["hello", "unused"], ("2", "1"), False),
        (["hello*"], ("2", "2"), True),
        (["hello-*"], ("1", "2"), True),
    ):
        source = world.source(project, party, *packages)
        world.write(project, system={"packages": ["hello", "hello-data"]}, debian={"sources": [source]})
        tasks = ran(world.runs.run(project, "runvm"))
        found = locked(project)["packages"]
        assert (found["hello"]["version"], found["hello-data"]["version"]) == versions
        assert "lock" in tasks
        assert ("squashfs" in tasks) == all_tasks, tasks
        assert all_tasks or tasks <= {"lock", "fetch"}


def test_lock_says_which_package_comes_from_which_source(world: World) -> None:
    party = world.party("said")
    party.publish(hello("2"))
    world.archive.publish([Deb("hello-data", "3")], suite=f"{SUITE}-backports")
    project = world.project()
    sources = [
        world.source(project, party, "hello"),
        {"suites": [f"{SUITE}-backports"], "packages": ["hello-*"]},
    ]
    world.write(project, system={"packages": ["hello", "hello-data"]}, debian={"sources": sources})
    said = world.runs.run(project, "lock")
    assert f"added      hello 2 (system), from {sources[0]['url']} stable\n" in said
    assert f"added      hello-data 3 (system), from {SUITE}-backports\n" in said
    assert re.search(r"^added      busybox-static 1 \(.*\)$", said, re.MULTILINE)
    assert f"source     {sources[0]['url']} provides hello\n" in said
    assert f"source     {SUITE}-backports provides hello-data\n" in said
    party.publish(hello("1.9"))
    world.write(
        project,
        system={"packages": ["hello", "hello-data"]},
        debian={"sources": [{**sources[0], "pin": "fallback"}, sources[1]]},
    )
    said = world.runs.run(project, "lock")
    assert "downgraded hello 2 -> 1, from the release\n" in said
    assert f"source     {sources[0]['url']} provides nothing; elsewhere is hello 1\n" in said


@pytest.mark.parametrize(
    ("packages", "values", "said"),
    [
        (["helo"], {}, "config.yaml:16: {url} has no package helo: did you mean hello?"),
        (
            ["hello"],
            {},
            "set system: hello 2 needs hello-lib, which does not exist: "
            "{url} has hello-lib 2; add hello-lib to its packages",
        ),
        (["hello", "hello-lib"], {"suites": "other"}, "no suite other at {url}: check url and suites"),
        (["hello", "hello-lib"], {"key": "wrong.asc"}, "InRelease has no good signature by a key in"),
        (["hello", "hello-lib"], {"url": "@server@/nothing"}, "no suite stable at"),
    ],
)
def test_errors_of_sources(world: World, packages: list[str], values: Config, said: str) -> None:
    party = world.party("errors")
    party.publish(hello("2", depends="hello-lib"), Deb("hello-lib", "2"))
    project = world.project()
    Repository(project / "wrong").key_file(project / "wrong.asc")
    values = {key: str(value).replace("@server@", world.server.url) for key, value in values.items()}
    source = {**world.source(project, party, *packages), **values}
    world.write(project, system={"packages": ["hello"]}, debian={"sources": [source]})
    found = world.failed(project, "lock")
    assert said.format(url=f"{world.server.url}/errors") in found
    assert re.search(r"config\.yaml:\d+: ", found)
    assert "Traceback" not in found


@pytest.mark.parametrize(
    ("number", "fault", "said"),
    [
        (1, "wrong", "has a wrong sha256, "),
        (2, "longer", "bytes"),
        (3, "404", "the server no longer has hello 2"),
    ],
)
def test_a_deb_that_is_not_the_signed_one(world: World, number: int, fault: Fault, said: str) -> None:
    party = world.party(f"hostile{number}")
    made = hello("2", f"hostile {number}")
    party.publish(made)
    project = world.project()
    sources = [world.source(project, party, "hello")]
    world.write(project, system={"packages": ["hello"]}, debian={"sources": sources})
    world.server.faults[f"/{party.root.name}/pool/{made.file_name}"] = [fault] * 9
    assert said in world.failed(project, "runvm")
    world.server.faults.clear()
    world.runs.run(project, "runvm")


def test_an_index_that_expires_or_goes_back(world: World) -> None:
    """Both are refused at the source's line, and a locked machine builds nevertheless."""
    party = world.party("aged")
    party.publish(hello("2"))
    project = world.project()
    source = world.source(project, party, "hello")
    config = {"system": {"packages": ["hello"]}, "debian": {"sources": [source]}}
    world.write(project, **config)
    world.runs.run(project, "runvm")
    cases: list[tuple[Config, str]] = [
        ({"fields": {"Valid-Until": stamp(NOW - timedelta(days=1))}}, "InRelease was valid until"),
        ({"age": timedelta(days=9)}, "and this host has seen it from"),
    ]
    for options, said in cases:
        party.publish(hello("1.5"), **options)
        found = world.failed(project, "lock")
        assert re.search(rf"config\.yaml:\d+: .*{re.escape(said)}", found)
        assert ran(world.runs.run(project, "runvm")) <= {"lock"}
        assert locked(project)["packages"]["hello"]["version"] == "2"


@pytest.mark.parametrize("fault", ["404", "wrong", "500"])
def test_a_deb_that_cannot_be_downloaded_is_an_error_at_the_line_of_its_source(
    world: World, fault: Fault
) -> None:
    good, bad = world.party("good"), world.party(f"bad{fault}")
    good.publish(Deb("fine"))
    bad.publish(hello("2", f"a download that ends in {fault}"))
    project = world.project(system={"packages": ["hello", "fine"]})
    sources = [world.source(project, good, "fine"), world.source(project, bad, "hello")]
    world.write(project, system={"packages": ["hello", "fine"]}, debian={"sources": sources})
    world.server.faults[f"bad{fault}/pool/hello_2_amd64.deb"] = [fault] * 20
    said = world.failed(project, "lock")
    lines = (project / "config.yaml").read_text().splitlines()
    number = next(at for at, line in enumerate(lines, 1) if f"/bad{fault}" in line)
    assert f"config.yaml:{number}: " in said
    assert "Traceback" not in said


# --- the user's own .debs


def deb(path: Path, made: Deb) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(made.build())
    return path


def test_a_local_deb_from_the_config_to_the_image(world: World) -> None:
    mine = Deb("my-tool", "1", files={"usr/share/my-tool": b"one"}, depends="hello-data, my-lib (>= 2)")
    project = world.project(system={"packages": [{"deb": "./my tool.deb"}, {"deb": "debs"}]})
    deb(project / "my tool.deb", mine)
    deb(project / "debs/lib.deb", Deb("my-lib", "2", files={"usr/share/my-lib": b"lib"}))
    deb(
        project / "debs/libc6.deb",
        replace(next(each for each in world.debs if each.name == "libc6"), version="0"),
    )
    world.runs.run(project, "runvm")
    packages = locked(project)["packages"]
    assert (packages["my-tool"]["origin"], packages["my-tool"]["version"]) == ("local", "1")
    assert packages["libc6"]["version"] == "0", "the user's own wins, even an older version"
    assert packages["hello-data"]["origin"] == "main"
    assert locked(project)["tools"]["packages"]["libc6"]["version"] == "1"
    before = outputs(project)
    assert world.runs.run(project, "runvm") == "runvm: up to date\n"
    # The same file, written again, changes nothing.
    deb(project / "my tool.deb", mine)
    world.runs.run(project, "runvm")
    assert outputs(project) == before
    # Another file of the same version is locked again by itself, and back.
    deb(project / "my tool.deb", replace(mine, files={"usr/share/my-tool": b"two"}))
    assert "lock" in ran(world.runs.run(project, "runvm"))
    changed = outputs(project)
    assert changed["root.squashfs"] != before["root.squashfs"]
    assert [each for each in changed if each.startswith("sets/") and changed[each] != before[each]] == [
        "sets/system.json"
    ]
    deb(project / "my tool.deb", mine)
    world.runs.run(project, "runvm")
    assert outputs(project) == before
    # A project that was moved builds the same, with an empty cache too.
    shutil.move(project, moved := project.with_name("moved-local"))
    world.runs.run(moved, "runvm")
    assert outputs(moved) == before
    shutil.rmtree(world.folder / "cache/sha256")
    shutil.rmtree(moved / "build")
    world.runs.run(moved, "runvm")
    assert outputs(moved) == before


def test_only_and_closures_of_a_local_deb(world: World) -> None:
    made = Deb("my-tool", files={"usr/share/a": b"a", "usr/share/b": b"b"}, depends="hello")
    project = world.project(system={"packages": [{"deb": "my.deb", "only": ["usr/share/a"]}]})
    deb(project / "my.deb", made)
    world.runs.run(project, "runvm")
    assert "hello" not in locked(project)["packages"]
    names = {each.name for each in (project / "build/tiny").rglob("share/?")}
    assert names == {"a"}
    world.write(project, system={"packages": [{"deb": "*.deb", "closure": "depends"}]})
    world.runs.run(project, "runvm")
    assert "hello" in locked(project)["packages"]


@pytest.mark.parametrize(
    ("files", "packages", "said"),
    [
        (
            {"a.deb": Deb("foo", architecture="arm64")},
            [{"deb": "a.deb"}],
            "a.deb is for arm64, and the machine for amd64",
        ),
        ({"a.deb": b"not a deb"}, [{"deb": "a.deb"}], "a.deb is not a valid .deb: no ar magic at the start"),
        ({"a.deb": Deb("foo").build()[:90]}, [{"deb": "a.deb"}], "a.deb is not a valid .deb: "),
        (
            {"a.deb": Deb("Foo_Bar")},
            [{"deb": "a.deb"}],
            "a.deb has an invalid Package in its control file: 'Foo_Bar'",
        ),
        (
            {"a.deb": Deb("foo", "v1")},
            [{"deb": "a.deb"}],
            "a.deb has an invalid Version in its control file: 'v1'",
        ),
        (
            {"a.deb": Deb("foo", "1\nPackage: bar")},
            [{"deb": "a.deb"}],
            "a.deb is not a valid .deb: the field Package occurs twice",
        ),
        (
            {"a.deb": Deb("foo", depends="libc6 ((")},
            [{"deb": "a.deb"}],
            "a.deb has an invalid control file: invalid relation: 'libc6 (('",
        ),
        ({}, [{"deb": "a.deb"}], "a.deb does not exist"),
        ({"d/x": b""}, [{"deb": "d"}], "d has no .deb files"),
        ({}, [{"deb": "*.deb"}], "*.deb"),
        (
            {"d/a.deb": Deb("foo", "1"), "d/b.deb": Deb("foo", "2")},
            [{"deb": "d"}],
            "two files have the package foo: a.deb (1) and b.deb (2); keep one of them",
        ),
        (
            {"a.deb": Deb("foo", "1"), "b.deb": Deb("foo", "2")},
            [{"deb": "a.deb"}, {"deb": "b.deb"}],
            'system.packages has "foo" twice, with other settings; the first is on line',
        ),
        (
            {"a.deb": Deb("foo", depends="nobody-has-it")},
            [{"deb": "a.deb"}],
            "foo 1 needs nobody-has-it, which does not exist",
        ),
        (
            {"a.deb": Deb("foo", depends="hello (>= 5)")},
            [{"deb": "a.deb"}],
            "foo 1 needs hello (>= 5), but the archive has hello 1",
        ),
        ({"a.deb": Deb("foo", depends="helo")}, [{"deb": "a.deb"}], "foo 1 needs helo, which does not exist"),
    ],
)
def test_errors_of_local_debs(
    world: World, files: Mapping[str, Deb | bytes], packages: list[Config], said: str
) -> None:
    project = world.project(system={"packages": packages})
    for name, content in files.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_bytes(content.build() if isinstance(content, Deb) else content)
    found = world.failed(project, "lock")
    assert said in found
    assert re.search(r"config\.yaml:\d+: ", found)
    assert "Traceback" not in found


# --- Ubuntu


def ubuntu(world: World) -> Repository:
    """Return an archive of Ubuntu: another mirror, zstd, and a kernel whose modules are in other packages."""
    party = Repository(world.archive.root / "ubuntu", [world.archive.key])
    kernel = made_up_machine.kernel(RELEASE)
    image = {path: data for path, data in kernel.items() if path.startswith("boot/vmlinuz")}
    rest = {path.removeprefix("usr/"): data for path, data in kernel.items() if path not in image}
    own = [
        Deb("linux-image-virtual", depends=f"linux-image-{RELEASE}"),
        Deb(f"linux-image-{RELEASE}", files=image, depends=f"kmod, linux-base, linux-modules-{RELEASE}"),
        Deb(f"linux-modules-{RELEASE}", files=rest),
        Deb("linux-base"),
    ]
    debs = [each for each in world.debs if not each.name.startswith("linux-image")]
    ours = [replace(each, version="1ubuntu1", compression="zst") for each in [*debs, *own]]
    names: Config = {"components": ("main", "universe"), "compressions": (".xz", ".gz")}
    party.publish(*ours, suite="noble", fields={"Suite": "noble"}, **names)
    party.publish(suite="noble-updates", **names)
    fixed = replace(next(each for each in ours if each.name == "hello-data"), version="1ubuntu1.1")
    party.publish(fixed, suite="noble-security", **names)
    return party


def test_a_machine_of_ubuntu(world: World) -> None:
    ubuntu(world)
    distribution = {"distribution": "ubuntu", "suite": "noble", "mirror": f"{world.server.url}/ubuntu"}
    project = world.project(system={"packages": ["hello"]})
    config = yaml.safe_load((project / "config.yaml").read_text())
    config["debian"] = distribution
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    world.runs.run(project, "runvm")
    lock = locked(project)
    assert {each["origin"] for each in lock["packages"].values()} == {"ubuntu"}
    assert {each["origin"] for each in lock["tools"]["packages"].values()} == {"main"}
    assert lock["packages"]["hello-data"]["version"] == "1ubuntu1.1"
    assert lock["sets"]["kernel"] == [
        f"linux-image-{RELEASE}",
        "linux-image-virtual",
        f"linux-modules-{RELEASE}",
    ]
    assert (project / "build/tiny/vmlinuz").read_bytes().endswith(RELEASE.encode())
    assert world.runs.run(project, "runvm") == "runvm: up to date\n"
    # A suite of Ubuntu itself as a source, on the same mirror.
    Repository(world.archive.root / "ubuntu", [world.archive.key]).publish(
        hello("3"), suite="noble-backports"
    )
    config["debian"] = {**distribution, "sources": [{"suites": "noble-backports", "packages": "hello"}]}
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    said = world.runs.run(project, "lock")
    assert "upgraded   hello 1ubuntu1 -> 3, from noble-backports\n" in said


@pytest.mark.parametrize(
    ("debian", "said"),
    [
        (
            {"suite": "noble"},
            "no mirror of Ubuntu is named, and this host's mirror of Debian has no packages",
        ),
        ({}, "debian.suite is missing: the name of Ubuntu's release, such as noble"),
    ],
)
def test_errors_of_ubuntu(world: World, debian: Config, said: str) -> None:
    project = world.project()
    made = {"name": "tiny", "debian": {"distribution": "ubuntu", **debian}}
    (project / "config.yaml").write_text(yaml.safe_dump(made))
    found = world.failed(project, "lock")
    assert said in found
    assert re.search(r"config\.yaml:\d+: ", found)
