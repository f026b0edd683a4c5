"""Sets of packages, from a small signed archive with real .debs and real, if empty, ELF files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notos.architecture import AMD64
from notos.cache import Cache
from notos.debian import download
from notos.debian.archive import Archive
from notos.debian.download import Retries
from notos.debian.package import LockedPackage
from notos.errors import ClosureError, LockError
from notos.lock import dependencies, resolve
from notos.lock.lockfile import Lock
from notos.lock.request import Request, Requests
from tests.conftest import FIXTURES
from tests.elf_builder import AARCH64, elf
from tests.signed_archive import SUITE, Deb, Server, SignedArchive, serving

LIB = "usr/lib/x86_64-linux-gnu"


def library(name: str, *sonames: str, needs: Sequence[str] = (), **values: Any) -> Deb:
    """Return a package with libraries, each as a file and a link named by the soname."""
    files: dict[str, bytes | str] = {}
    for soname in sonames:
        files[f"{LIB}/{soname}.0.1"] = elf(*needs, soname=soname)
        files[f"{LIB}/{soname}"] = f"{soname}.0.1"
    return Deb(name, files=files, **values)


def program(name: str, *needs: str, **values: Any) -> Deb:
    """Return a package with a program that needs libraries."""
    return Deb(name, files={f"usr/bin/{name}": elf(*needs)}, **values)


LIBC = library("libc6", "libc.so.6")
DEBCONF = Deb("debconf", depends="perl-base", provides="debconf-2.0", architecture="all")
BASICS = [LIBC, DEBCONF, Deb("perl-base"), Deb("adduser", depends="perl-base", architecture="all")]


Closures = Mapping[str, Mapping[str, str | Request]]  # a bare word is a closure


def asked(requests: Closures) -> Requests:
    """Return requests in short form as values for resolve()."""
    return {
        name: {package: Request(how) if isinstance(how, str) else how for package, how in packages.items()}
        for name, packages in requests.items()
    }


@dataclass
class World:
    """An archive, and a cache of its own."""

    signed: SignedArchive
    server: Server
    cache: Cache

    def publish(self, *debs: Deb) -> None:
        self.signed.publish([*BASICS, *debs])

    def archive(self) -> Archive:
        return Archive(
            self.server.debian(), self.cache, AMD64, keys=self.signed.keys, retries=Retries(1, 0.0)
        )

    def resolve(self, requests: Closures, base: Lock | None = None) -> Lock:
        archive = self.archive()

        def bring(packages: Sequence[LockedPackage]) -> None:
            download.fetch([each.download(archive.mirrors) for each in packages], self.cache)

        return resolve.resolve(
            asked(requests),
            suite=archive.debian.suite,
            base=base,
            archive=archive,
            cache=self.cache,
            fetch=bring,
        )

    def set(self, **packages: str | Request) -> str:
        """Return the names in the set for `packages`: the closure by name, with _ for -."""
        requests = {name.replace("_", "-"): how for name, how in packages.items()}
        return " ".join(self.resolve({"system": requests}).sets["system"])

    def read(self) -> list[str]:
        """Return the packages whose .debs were downloaded."""
        paths = [path for path, _ in self.server.requests if path.endswith(".deb")]
        return sorted(path.rpartition("/")[2].partition("_")[0] for path in paths)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> SignedArchive:
    return SignedArchive(tmp_path_factory.mktemp("signed"))


@pytest.fixture
def world(signed: SignedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(signed.root) as server:
        yield World(signed, server, Cache(tmp_path / "cache"))


FOO = library("libfoo1", "libfoo.so.1", needs=["libbar.so.2"], depends="libbar2 (>= 1), libc6")
BAR = library("libbar2", "libbar.so.2", needs=["libc.so.6"], depends="libc6, bar-data")
DATA = Deb("bar-data", architecture="all")
PROG = program("prog", "libfoo.so.1", depends="libfoo1, prog-common, debconf (>= 0.5) | debconf-2.0, adduser")
COMMON = Deb("prog-common", depends="adduser, perl-base", architecture="all")


# --- closures


def test_elf_takes_what_programs_need(world: World) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON)
    assert world.set(prog="elf") == "libbar2 libc6 libfoo1 prog"


def test_depends_takes_all_but_the_machinery(world: World) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON)
    # perl-base comes for prog-common, which is no machinery
    assert world.set(prog="depends") == "bar-data libbar2 libc6 libfoo1 perl-base prog prog-common"
    world.publish(PROG, FOO, BAR, DATA, replace(COMMON, depends="adduser"))
    assert world.set(prog="depends") == "bar-data libbar2 libc6 libfoo1 prog prog-common"


def test_machinery_that_is_asked_for(world: World) -> None:
    world.publish(program("dpkg", "libc.so.6", depends="libc6"))
    assert world.set(dpkg="elf") == "dpkg libc6"


def test_depends_goes_through_packages_that_are_requested_too(world: World) -> None:
    world.publish(PROG, FOO, BAR, DATA, replace(COMMON, depends="adduser"))
    # bar-data is a dependency of libbar2, which a feature requests with its libraries only
    assert world.set(libbar2="elf", libfoo1="depends") == "bar-data libbar2 libc6 libfoo1"


def test_a_feature_s_choice_of_files_yields_to_a_dependency(world: World) -> None:
    tool = Deb("tool", depends="libfoo1", files={"usr/bin/tool": elf("libfoo.so.1"), "usr/bin/small": elf()})
    world.publish(tool, Deb("user", depends="tool (>= 1)"), FOO, BAR, DATA, PROG)
    small = Request("elf", ("usr/bin/small",), yields=True)
    assert world.set(tool=small) == "tool"
    assert world.set(tool=small, user="elf") == "tool user"
    lock = world.resolve({"system": {"tool": small, "user": "depends"}})
    assert " ".join(lock.sets["system"]) == "bar-data libbar2 libc6 libfoo1 tool user"
    assert dependencies.whole(lock, "system") == {"tool"}
    own = replace(small, yields=False)
    assert dependencies.whole(world.resolve({"system": {"tool": own, "user": "depends"}}), "system") == set()


def test_a_compiler_has_libc_s_headers(world: World) -> None:
    world.publish(
        Deb("gcc", depends="gcc-14"), Deb("gcc-14", depends="cpp-14"), Deb("cpp-14"), Deb("libc6-dev")
    )
    assert world.set(gcc="depends") == "cpp-14 gcc gcc-14 libc6-dev"


def test_packages_that_debian_installs_always_or_recommends(world: World) -> None:
    world.publish(
        *(Deb("podman", depends="netavark"), Deb("netavark"), Deb("nftables")),
        *(Deb("wireguard-tools"), Deb("bash"), Deb("iproute2")),
        *(Deb("sudo", depends="libpam-modules"), Deb("libpam-modules"), Deb("libpam-runtime")),
    )
    assert world.set(podman="depends") == "netavark nftables podman"
    assert world.set(wireguard_tools="depends") == "bash iproute2 wireguard-tools"
    assert world.set(sudo="depends") == "libpam-modules libpam-runtime sudo"


def test_package_takes_one_and_what_it_names_exactly(world: World) -> None:
    image = Deb("linux-image-6", "6-1", depends="kmod, linux-base (>= 4), initramfs-tools | dracut")
    world.publish(
        Deb("linux-image", "6-1", depends="linux-image-6 (= 6-1)"),
        image,
        Deb("kmod"),
        Deb("linux-base", "5"),
    )
    assert world.set(linux_image="package") == "linux-image linux-image-6"
    assert world.read() == []


def test_sets_have_one_version_of_a_package(world: World) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON)
    locked = world.resolve({"system": {"prog": "elf"}, "initrd": {"libbar2": "depends"}})
    assert locked.sets == {
        "system": ("libbar2", "libc6", "libfoo1", "prog"),
        "initrd": ("bar-data", "libbar2", "libc6"),
    }
    assert sorted(locked.packages) == ["bar-data", "libbar2", "libc6", "libfoo1", "prog"]
    assert [each.name for each in locked.set("initrd")] == ["bar-data", "libbar2", "libc6"]
    assert locked.requests == asked({"system": {"prog": "elf"}, "initrd": {"libbar2": "depends"}})
    assert locked.suite == SUITE


# --- conflicts


@pytest.mark.parametrize(
    ("one", "two", "relation"),
    [
        (Deb("one", conflicts="two"), Deb("two"), "two"),
        (Deb("one", conflicts="x, two (<< 2), y"), Deb("two"), "two (<< 2)"),
        (Deb("one", breaks="two (<= 1)"), Deb("two"), "two (<= 1)"),
        (Deb("one", conflicts="agent"), Deb("two", provides="agent"), "agent"),
        (Deb("one", conflicts="agent", provides="agent"), Deb("two", provides="agent"), "agent"),
        (Deb("one", breaks="agent (<< 3)"), Deb("two", provides="agent (= 2)"), "agent (<< 3)"),
    ],
)
def test_packages_that_conflict(world: World, one: Deb, two: Deb, relation: str) -> None:
    """The error names both, and why they are in the set."""
    world.publish(one, two, Deb("user", depends="data"), Deb("data", depends="two"))
    with pytest.raises(LockError) as caught:
        world.set(one="elf", user="depends")
    assert caught.value.message == (
        f"set system: one 1 conflicts with two 1 ({relation}); one is requested, two is needed by user"
    )
    assert caught.value.package == "one"
    assert world.set(one="elf") == "one"
    # Files of a package without the package, and sets of tools.
    world.set(one=Request("elf", only=("usr/x",)), two="elf")
    world.resolve({"tools/x": {"one": "elf", "two": "elf"}})


def test_packages_that_do_not_conflict(world: World) -> None:
    one = Deb("one", conflicts="agent, three (<< 1), two (>> 1)", breaks="agent (<< 1)", provides="agent")
    world.publish(one, Deb("two", provides="agent-x, agents (= 1)"), Deb("three"))
    assert world.set(one="elf", two="elf", three="elf") == "one three two"
    locked = world.resolve({"system": {"one": "elf"}, "initrd": {"two": "elf"}})
    assert locked.packages["one"].conflicts == "agent, three (<< 1), two (>> 1), agent (<< 1)"


def test_all_conflicts_are_named_together(world: World) -> None:
    world.publish(Deb("one", conflicts="two"), Deb("two"), Deb("three", conflicts="one"))
    with pytest.raises(LockError) as caught:
        world.resolve(
            {"system": {"one": "elf", "two": "elf", "three": "elf"}, "initrd": {"one": "elf", "two": "elf"}}
        )
    assert len(caught.value.parts) == 3


# --- libraries


def test_a_library_in_a_package_called_otherwise(world: World) -> None:
    ssl = library("libssl3t64", "libssl.so.3", "libcrypto.so.3")
    abc = library("libabc1", "libabc.so.1")
    needs = ["libcrypto.so.3", "libssl.so.3"]
    world.publish(program("prog", *needs, depends="libabc1, libssl3t64, zzz"), ssl, abc)
    assert world.set(prog="elf") == "libssl3t64 prog"
    assert world.read() == ["libssl3t64", "prog"]  # which libssl.so.3 has led to
    world.publish(program("prog", "libcrypto.so.3", depends="libabc1, libssl3t64, zzz"), ssl, abc)
    assert world.set(prog="elf") == "libssl3t64 prog"


def test_a_library_that_is_only_depended_on_indirectly(world: World) -> None:
    world.publish(program("prog", "libbar.so.2", depends="libfoo1"), FOO, BAR, DATA)
    assert world.set(prog="elf") == "libbar2 libc6 prog"


def test_likely_packages_are_read_first(world: World) -> None:
    others = [library(f"libother{number}", f"libother.so.{number}") for number in range(4)]
    depends = ", ".join(each.name for each in others)
    prog = program("prog", "libfoo-2.so.1", depends=f"{depends}, libfoo-2-1t64, tool")
    world.publish(prog, *others, library("libfoo-2-1t64", "libfoo-2.so.1"), Deb("tool"))
    assert world.set(prog="elf") == "libfoo-2-1t64 prog"
    assert world.read() == ["libfoo-2-1t64", "prog"]


@pytest.mark.parametrize(
    "files",
    [
        {f"{LIB}/prog/libown.so.1": elf()},  # it has it itself, wherever that is
        {f"{LIB}/prog/libown.so.1": "libown.so.1.0", f"{LIB}/prog/libown.so.1.0": elf()},
        {"usr/lib/aarch64-linux-gnu/x": elf("libmissing.so.1", machine=AARCH64)},
        {"usr/bin/static": elf()},
        {"usr/bin/text": b"libmissing.so.1"},
        {"usr/share/firmware": b"\x7fELF, but not really"},
    ],
)
def test_what_needs_no_package(world: World, files: Mapping[str, bytes | str]) -> None:
    needs = ["libown.so.1"] if f"{LIB}/prog/libown.so.1" in files else []
    world.publish(Deb("prog", depends="libc6", files={"usr/bin/prog": elf(*needs), **files}))
    assert world.set(prog="elf") == "prog"


@pytest.mark.parametrize(
    "runpath", [f"/{LIB}/suite", "$ORIGIN/../lib/x86_64-linux-gnu/suite", "${ORIGIN}/../../" + LIB + "/suite"]
)
def test_runpath_leads_to_another_packages_folder(world: World, runpath: str) -> None:
    files = {"usr/bin/prog": elf("libprivate.so.1", runpath=["/nowhere", runpath])}
    private = Deb("suite-libs", files={f"{LIB}/suite/libprivate.so.1": elf()})
    world.publish(Deb("prog", depends="suite-libs", files=files), private)
    assert world.set(prog="elf") == "prog suite-libs"


def test_before_usr_merge(world: World) -> None:
    old = Deb("libold1", files={"lib/x86_64-linux-gnu/libold.so.1": elf()})
    world.publish(program("prog", "libold.so.1", depends="libold1"), old)
    assert world.set(prog="elf") == "libold1 prog"


def test_another_packages_private_library_does_not_count(world: World) -> None:
    private = Deb("bundle", files={f"{LIB}/bundle/libfoo.so.1": elf()})
    world.publish(
        program("prog", "libfoo.so.1", depends="bundle, libfoo1"), private, library("libfoo1", "libfoo.so.1")
    )
    assert world.set(bundle="elf", prog="elf") == "bundle libfoo1 prog"


def test_a_plugin_uses_what_its_program_has_loaded(world: World) -> None:
    host = Deb("host", files={f"{LIB}/host/libhost.so.1": elf()})
    plugin = Deb("plugin", depends="host", files={f"{LIB}/plugins/x.so": elf("libhost.so.1")})
    world.publish(host, plugin)
    assert world.set(host="elf", plugin="elf") == "host plugin"


@pytest.mark.parametrize("closure", ["elf", "depends"])
def test_a_library_that_nothing_provides(world: World, closure: str) -> None:
    prog = Deb("prog", depends="libc6", files={"usr/bin/prog": elf("libc.so.6", "libfoo.so.1")})
    world.publish(prog, FOO, BAR, DATA)
    with pytest.raises(ClosureError) as caught:
        world.set(prog=closure)
    assert caught.value.message == (
        "set system: usr/bin/prog of prog needs libfoo.so.1, which none of its dependencies has"
    )
    assert caught.value.hint == "add libfoo1 to the packages"
    assert world.set(prog=closure, libfoo1="elf") == "libbar2 libc6 libfoo1 prog"


@pytest.mark.parametrize("closure", ["elf", "depends"])
def test_a_plugin_may_lack_a_library_that_debian_only_recommends(world: World, closure: str) -> None:
    files = {"usr/bin/prog": elf("libc.so.6"), f"{LIB}/prog/plugin.so": elf("libfoo.so.1")}
    world.publish(Deb("prog", depends="libc6", files=files), FOO, BAR, DATA)
    assert world.set(prog=closure) == "libc6 prog"
    assert world.set(prog=closure, libfoo1="elf") == "libbar2 libc6 libfoo1 prog"


def test_the_package_that_the_config_names_explains_the_others(world: World) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON)
    lock = world.resolve({"system": {"prog": "depends", "libbar2": "elf"}})
    others = ("bar-data", "libc6", "libfoo1", "perl-base", "prog-common")
    assert dependencies.requested_by(lock, "system") == dict.fromkeys(others, "prog")


def test_only_wanted_files_bring_their_libraries(world: World) -> None:
    files = {
        "usr/bin/small": elf("libbar.so.2"),
        "usr/bin/large": elf("libfoo.so.1"),
        "usr/lib/large/plugin.so": elf("libfoo.so.1"),
    }
    world.publish(Deb("prog", depends="libbar2, libfoo1", files=files), FOO, BAR, DATA)
    assert world.set(prog="elf") == "libbar2 libc6 libfoo1 prog"
    assert world.set(prog=Request("elf", only=("usr/bin/small",))) == "libbar2 libc6 prog"
    assert world.set(prog=Request("elf", exclude=("usr/bin/large", "usr/lib/*"))) == "libbar2 libc6 prog"
    assert world.set(prog=Request("elf", only=("usr/share/*",))) == "prog"


def test_a_library_that_is_left_out_is_not_there(world: World) -> None:
    world.publish(program("prog", "libfoo.so.1", depends="libfoo1"), FOO, BAR, DATA)
    with pytest.raises(ClosureError, match=r"usr/bin/prog of prog needs libfoo\.so\.1"):
        world.set(prog="elf", libfoo1=Request("elf", exclude=("usr/lib/*",)))


def test_a_library_that_no_package_at_all_has(world: World) -> None:
    world.publish(program("prog", "libnone.so.1"))
    with pytest.raises(ClosureError, match=r"usr/bin/prog of prog needs libnone\.so\.1"):
        world.set(prog="elf")


numbers = st.integers(0, 7)


@given(
    st.lists(st.tuples(st.sets(numbers), st.sets(numbers)), min_size=8, max_size=8),
    st.sets(numbers, min_size=1),
)
@settings(max_examples=30, suppress_health_check=FIXTURES)
def test_elf_is_what_can_be_reached_by_needs(
    world: World, graph: list[tuple[set[int], set[int]]], asked: set[int]
) -> None:
    debs = []
    for number, (needs, more) in enumerate(graph):
        depends = ", ".join(f"libnr{each}-{each}" for each in sorted(needs | more))
        sonames = [f"libnr{each}.so.{each}" for each in sorted(needs)]
        debs.append(
            library(f"libnr{number}-{number}", f"libnr{number}.so.{number}", needs=sonames, depends=depends)
        )
    world.publish(*debs)
    reached = set(asked)
    while more := {each for number in reached for each in graph[number][0]} - reached:
        reached |= more
    requests = {"system": {f"libnr{each}-{each}": "elf" for each in asked}}
    locked = world.resolve(requests)
    assert set(locked.sets["system"]) == {f"libnr{each}-{each}" for each in reached}


# --- dependencies


ALTERNATIVES = [
    Deb("mawk", provides="awk"),
    Deb("gawk", provides="awk (= 5)"),
    Deb("first"),
    Deb("second"),
]


@pytest.mark.parametrize(
    ("depends", "asked", "chosen"),
    [
        ("first | second", "", "first"),
        ("missing | second", "", "second"),
        ("first | second", "second", ""),  # in the set already
        ("first | awk", "mawk", ""),
        ("awk", "", "gawk"),
        ("awk", "mawk", ""),
        ("mawk | awk", "gawk", ""),
        ("awk (>= 4)", "mawk", "gawk"),  # mawk does not say which awk it provides
        ("first (>= 2) | second", "", "second"),
        ("first (>= 2) | second", "first", "second"),
        ("first, first | second, awk, mawk", "", "first gawk mawk"),
    ],
)
def test_alternatives(world: World, depends: str, asked: str, chosen: str) -> None:
    world.publish(Deb("prog", depends=depends), *ALTERNATIVES)
    packages = {"prog": "depends", **({asked: "elf"} if asked else {})}
    assert world.set(**packages) == " ".join(sorted(["prog", *asked.split(), *chosen.split()]))


@pytest.mark.parametrize(
    ("depends", "message", "hint"),
    [
        ("missing", "prog 1 needs missing, which does not exist", "components"),
        ("missing (>= 1) | none", "prog 1 needs missing (>= 1) | none, which does not exist", "components"),
        ("first (>= 2)", "prog 1 needs first (>= 2), but the archive has first 1", "try again"),
        ("awk (>= 6)", "prog 1 needs awk (>= 6), which does not exist", "components"),
    ],
)
def test_what_is_not_to_be_had(world: World, depends: str, message: str, hint: str) -> None:
    world.publish(Deb("prog", depends=depends), *ALTERNATIVES)
    with pytest.raises(LockError) as caught:
        world.set(prog="depends")
    assert caught.value.message == f"set system: {message}"
    assert hint in caught.value.hint


def test_libraries_must_have_the_version_that_is_wanted(world: World) -> None:
    world.publish(program("prog", "libfoo.so.1", depends="libfoo1 (>= 2)"), library("libfoo1", "libfoo.so.1"))
    with pytest.raises(LockError, match=r"prog 1 needs libfoo1 \(>= 2\), but the archive has libfoo1 1"):
        world.set(prog="elf")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("busibox", "did you mean busybox?"),
        ("numpy", "did you mean python3-numpy?"),
        ("awk", "awk is a virtual package; name a package that provides it: gawk, mawk"),
        ("docker", "did you mean docker.io or docker-cli?"),
        ("openssh", "did you mean openssh-server or openssh-client?"),
        ("sshd", "did you mean openssh-server?"),
        ("httpd", "httpd is a virtual package; name a package that provides it: nginx, apache2, lighttpd"),
        ("nginx-server", "did you mean nginx?"),
        ("iptable", "did you mean iptables?"),
        ("ifconfig", "did you mean net-tools?"),
        ("qqqqqq", "check its name"),
    ],
)
def test_a_package_that_does_not_exist(world: World, name: str, hint: str) -> None:
    # What many depend on goes first; kdocker and openssn are only spelt alike.
    names = ["docker.io", "docker-cli", "kdocker", "openssh-client", "openssn", "net-tools", "iptables"]
    servers = [Deb(each, provides="httpd") for each in ("apache2", "lighttpd", "micro-httpd", "nginx")]
    users = [Deb(f"user-{number}", depends="nginx, docker.io") for number in range(3)]
    users += [Deb("one", depends="apache2, openssh-server | x"), Deb("two", depends="apache2, lighttpd")]
    world.publish(
        *(Deb(each) for each in (*names, "busybox", "python3-numpy", "openssh-server")),
        *servers,
        *users,
        *ALTERNATIVES,
    )
    with pytest.raises(LockError) as caught:
        world.resolve({"initrd": {name: "elf", "busybox": "elf"}})
    assert caught.value.message == f"{SUITE} has no package {name} (requested by initrd)"
    assert caught.value.hint.startswith(hint)


def test_all_that_do_not_exist_are_told_at_once(world: World) -> None:
    world.publish(Deb("busybox"))
    with pytest.raises(LockError) as caught:
        world.resolve({"initrd": {"busibox": "elf"}, "system": {"busibox": "elf", "zzzzz": "elf"}})
    assert "busibox (requested by initrd, system), zzzzz (requested by system)" in caught.value.message
    # Each is a part of its own, which the task shows where the config names it.
    assert [(each.package, each.hint) for each in caught.value.parts] == [
        ("busibox", "did you mean busybox?"),
        ("zzzzz", "check its name and debian.components in the config"),
    ]


# --- an earlier lock


OPTIONAL = Request("depends", optional=True)


def test_an_optional_package_is_left_out_where_it_does_not_exist(world: World) -> None:
    world.publish(program("web", "libc.so.6", depends="libc6"))
    lock = world.resolve({"system": {"web": OPTIONAL, "smbd": OPTIONAL}})
    assert lock.sets == {"system": ("libc6", "web")}
    assert set(lock.requests["system"]) == {"web", "smbd"}
    assert set(lock.present("system")) == {"web"}
    assert dependencies.requested_by(lock, "system") == {"libc6": "web"}
    assert dependencies.whole(lock, "system") == frozenset()
    with pytest.raises(LockError, match="has no package smbd"):
        world.resolve({"system": {"web": OPTIONAL, "smbd": "depends"}}, lock)


def test_the_lock_keeps_the_absence_of_an_optional_package(world: World) -> None:
    """A package that the archive gets later is used by an upgrade alone."""
    world.publish(program("web", "libc.so.6", depends="libc6"), program("other"))
    first = world.resolve({"system": {"web": "depends", "later": OPTIONAL}})
    world.publish(program("web", "libc.so.6", depends="libc6"), program("other"), program("later"))
    more: Closures = {"system": {"web": "depends", "later": OPTIONAL, "other": "depends"}}
    assert world.resolve(first.requests, first) is first
    assert world.resolve(more, first).sets["system"] == ("libc6", "other", "web")
    assert "later" in world.resolve(more).sets["system"]


def test_a_lock_that_covers_all_needs_nothing(world: World) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON)
    requests = {"system": {"prog": "elf"}}
    base = world.resolve(requests)
    world.server.requests.clear()
    nothing = Cache(world.cache.root / "empty")
    assert replace(world, cache=nothing).resolve(requests, base) is base
    assert world.server.requests == []
    assert not nothing.root.exists()


SMALLER: list[tuple[Closures, str]] = [
    ({"system": {"prog": "depends"}}, "bar-data libbar2 libc6 libfoo1 perl-base prog prog-common"),
    ({"system": {"prog": "elf"}}, "libbar2 libc6 libfoo1 prog"),
    ({"system": {"libfoo1": "elf"}}, "libbar2 libc6 libfoo1"),
    ({"system": {"libbar2": "depends", "second": "elf"}}, "bar-data libbar2 libc6 second"),
    ({"system": {"libc6": "package"}}, "libc6"),
]


@pytest.mark.parametrize(("requests", "expected"), SMALLER)
def test_what_the_lock_suffices_for_needs_no_network(world: World, requests: Closures, expected: str) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON, *ALTERNATIVES)
    base = world.resolve({"system": {"prog": "depends"}, "other": {"second": "elf"}})
    world.server.requests.clear()
    locked = world.resolve(requests, base)
    assert " ".join(locked.sets["system"]) == expected
    assert sorted(locked.packages) == sorted(locked.sets["system"])
    assert world.server.requests == []


def test_a_package_leaves_an_elf_set_without_network(world: World) -> None:
    """The resolver does not look for packages that elf excluded before: they are not in the lock."""
    world.publish(PROG, FOO, BAR, DATA, COMMON, program("more", "libbar.so.2", depends="libbar2, first"))
    base = world.resolve({"system": {"prog": "elf", "more": "elf"}})
    world.server.requests.clear()
    assert world.resolve({"system": {"more": "elf"}}, base).sets["system"] == ("libbar2", "libc6", "more")
    assert world.server.requests == []


def test_an_addition_keeps_what_is_locked(world: World) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON)
    base = world.resolve({"system": {"prog": "elf"}})
    newer = [replace(each, version="2") for each in (FOO, BAR, PROG, LIBC)]
    tool = program("tool", "libfoo.so.1", "libnew.so.1", version="2", depends="libfoo1, libnew1, libc6")
    world.publish(*newer, tool, library("libnew1", "libnew.so.1", version="2"), DATA, COMMON)
    locked = world.resolve({"system": {"prog": "elf"}, "tools": {"tool": "elf"}}, base)
    assert {name: each.version for name, each in locked.packages.items()} == {
        **dict.fromkeys(["prog", "libfoo1", "libbar2", "libc6"], "1"),
        **dict.fromkeys(["tool", "libnew1"], "2"),
    }
    assert {name: each for name, each in locked.packages.items() if name in base.packages} == base.packages
    fresh = world.resolve({"system": {"prog": "elf"}, "tools": {"tool": "elf"}})
    assert {each.version for each in fresh.packages.values()} == {"2"}


@pytest.mark.parametrize("closure", ["elf", "depends"])
def test_an_addition_that_needs_something_newer(world: World, closure: str) -> None:
    world.publish(FOO, BAR, DATA)
    base = world.resolve({"system": {"libfoo1": "elf"}})
    tool = program("tool", "libfoo.so.1", depends="libfoo1 (>= 2)")
    world.publish(replace(FOO, version="2"), BAR, DATA, tool)
    with pytest.raises(LockError) as caught:
        world.resolve({"system": {"libfoo1": "elf", "tool": closure}}, base)
    assert caught.value.message == ("set system: tool 1 needs libfoo1 (>= 2), but config.lock has libfoo1 1")
    assert "./doit lock" in caught.value.hint


def test_a_locked_package_that_needs_something_older(world: World) -> None:
    prog = Deb("prog", depends="helper (= 1)")
    world.publish(prog, Deb("helper"))
    base = world.resolve({"system": {"prog": "elf"}})
    world.publish(replace(prog, version="2", depends="helper (= 2)"), Deb("helper", "2"))
    with pytest.raises(
        LockError, match=r"prog 1 needs helper \(= 1\), but the archive has helper 2"
    ) as caught:
        world.resolve({"system": {"prog": "depends"}}, base)
    assert "./doit lock" in caught.value.hint


def test_another_suite_is_another_lock(world: World) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON)
    requests = {"system": {"prog": "elf"}}
    base = replace(world.resolve(requests), suite="older")
    world.publish(PROG, replace(FOO, version="2"), BAR, DATA, COMMON)
    locked = world.resolve(requests, base)
    assert (locked.suite, locked.packages["libfoo1"].version) == (SUITE, "2")


# --- what is read of .debs


def test_a_deb_is_read_once(world: World) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON)
    first = world.resolve({"system": {"prog": "depends"}})
    assert world.read() == [
        "libbar2",
        "libc6",
        "libfoo1",
        "perl-base",
        "prog",
    ]  # none that is for all machines
    for path in (world.cache.root / "sha256").rglob("*"):
        if path.is_file():
            path.unlink()
    world.server.requests.clear()
    assert world.resolve({"system": {"prog": "depends"}}) == first
    assert world.read() == []


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[]", '{"format": 0}', '{"format": 2, "needs": 1, "libraries": {}}']
)
def test_damaged_facts_are_made_again(world: World, text: str) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON)
    first = world.resolve({"system": {"prog": "elf"}})
    for path in (world.cache.root / "facts").rglob("*.json"):
        path.write_text(text)
    assert world.resolve({"system": {"prog": "elf"}}) == first


def test_what_is_read_next_is_fetched_together(world: World) -> None:
    world.publish(PROG, FOO, BAR, DATA, COMMON)
    archive = world.archive()
    waves: list[list[str]] = []

    def bring(packages: Sequence[LockedPackage]) -> None:
        waves.append(sorted(each.name for each in packages))
        download.fetch([each.download(archive.mirrors) for each in packages], world.cache)

    requests = {"a": {"prog": "elf"}, "b": {"prog": "elf", "libbar2": "elf"}, "c": {"perl-base": "elf"}}
    resolve.resolve(asked(requests), suite=SUITE, base=None, archive=archive, cache=world.cache, fetch=bring)
    assert waves == [["libbar2", "perl-base", "prog"], ["libc6", "libfoo1"]]
