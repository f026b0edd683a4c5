"""Custom kernels, built with a team's shared cache and on several hosts, and the machines they boot."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from notos import architecture
from notos.cache import Cache
from notos.kernel import kconfig
from notos.vm.builder import INSTRUMENTED
from notos.vm.plugin import MachineFactory
from tests.conftest import Project, Tool, clean_environment, copy_project
from tests.screen import Screen
from tests.servers import Compilers, HttpCache, distccd, http_cache

FAST, TINY = "fast-here.yaml", "tiny-here.yaml"
LEAVE = "\x1b\x1b"  # keys that leave a menu


def own_cache(folder: Path) -> str:
    """Make a cache that shares everything with the user's except compiled objects; return its path."""
    folder.mkdir(parents=True)
    for name in ("sha256", "facts", "tools", "source", "ssh"):
        (Cache.default().root / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(Cache.default().root / name)
    return str(folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, tool: Tool) -> Iterator[HttpCache]:
    with http_cache(tmp_path_factory.mktemp("http") / "cache", tool) as cache:
        yield cache


def fast_config(project: Project, shared: HttpCache) -> None:
    storage = f"ccache: {{remote_storage: '{shared.url}'}}, environment: {{CCACHE_RESHARE: 'true'}}"
    (project.root / FAST).write_text(f"name: fast\nimports: [examples/fast.yaml]\nbuild: {{{storage}}}\n")


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory, built: Project, shared: HttpCache) -> Project:
    """examples/fast.yaml, built with a compiler cache that a team shares."""
    project = copy_project(tmp_path_factory.mktemp("fast") / "notos")
    fast_config(project, shared)
    project.doit(f"config={FAST}", "runvm")
    return replace(project, name="fast")


def test_a_team_shares_compiled_objects(
    fast: Project, shared: HttpCache, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert shared.count("PUT", "201") > 1000
    got = shared.count("GET", "200")
    folder = tmp_path_factory.mktemp("other") / "place"
    other = copy_project(folder / "checkout")
    fast_config(other, shared)
    (other.root / "fast-here.lock").write_bytes((fast.root / "fast-here.lock").read_bytes())
    cache = own_cache(folder / "cache")
    other.doit(f"config={FAST}", "kernel:build", NOTOS_CACHE=cache, TZ="Asia/Tokyo")
    # Two requests per file: one for the list of its inputs, one for the object.
    assert shared.count("GET", "200") - got > 1000
    for name in ("vmlinuz", "vmlinux", "kernel.config", "manifests/kernel.json"):
        one, two = (each.root / "build/fast" / name for each in (fast, other))
        assert one.read_bytes() == two.read_bytes(), name


def test_fast(fast: Project, machine_factory: MachineFactory) -> None:
    machine = machine_factory.at(fast.script)
    machine.wait_for_console("Entering stage-1")
    machine.wait_for_boot()
    assert not machine.console.find("Loading kernel module")
    assert machine.succeed("uname -r").strip().endswith("-fast")
    assert machine.succeed("ls /proc/modules 2>/dev/null || echo none") == "none\n"
    assert machine.succeed("sv status sshd").startswith("run: sshd: ")
    assert "notos" in machine.succeed("uname -v; cat /proc/version")  # KBUILD_BUILD_USER, not ours
    assert machine.succeed("cat /proc/sys/kernel/random/entropy_avail").strip() == "256"
    assert "virtio" in machine.succeed("cat /sys/class/misc/hw_random/rng_current")
    assert machine.shutdown() == 0
    assert machine.console.find("cannot switch itself off; it restarts")


def test_one_changed_option(fast: Project, machine_factory: MachineFactory) -> None:
    """A changed option rebuilds only what depends on it; changing it back gives the same bytes as before."""
    config = fast.root / FAST
    before, text = (fast.root / "build/fast/vmlinuz").read_bytes(), config.read_text()
    config.write_text(text + "kernel: {options: {SQUASHFS_XATTR: y}}\n")
    ran = fast.ran(f"config={FAST}", "runvm")
    assert ran[:3] == ["kernel:configure", "kernel:build", "modules"]
    assert not {"lock", "fetch", "kernel:fetch", "stage2", "runit", "squashfs"} & set(ran)
    assert (fast.root / "build/fast/vmlinuz").read_bytes() != before
    compiled = (fast.root / "build/fast/kernel.log").read_text().count("\n  CC ")
    assert 0 < compiled < 200
    config.write_text(text)
    fast.doit(f"config={FAST}", "runvm")
    assert (fast.root / "build/fast/vmlinuz").read_bytes() == before
    assert fast.ran(f"config={FAST}", "runvm") == []


def test_fast_without_ssh(fast: Project, machine_factory: MachineFactory) -> None:
    """A machine without ssh, PCI and modules takes commands through its backdoor and restarts."""
    config = fast.root / FAST
    text = config.read_text()
    source = INSTRUMENTED.parent / "backdoor"
    config.write_text(
        f"{text}kernel: {{options: {{VIRTIO_CONSOLE: y}}}}\nssh: {{server: none}}\n"
        f"services: {{backdoor: {{source: '{source}'}}}}\n"
    )
    try:
        fast.doit(f"config={FAST}", "runvm")
        machine = machine_factory.at(fast.script)
        assert machine.succeed("ls /proc/modules 2>/dev/null || echo none; hostname") == "none\nfast\n"
        machine.reboot()
        assert machine.execute("cat; exit 3", input=bytes(range(256)), text=False) == (3, bytes(range(256)))
        assert machine.shutdown() == 0
    finally:
        config.write_text(text)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, fast: Project) -> Iterator[tuple[Compilers, Compilers]]:
    from notos.toolchain.tools_tree import ToolsTree

    key = json.loads((fast.root / "build/fast/tools/kernel.json").read_bytes())["key"]
    tools = ToolsTree(Cache.default().tools(key), architecture.host())
    folder = tmp_path_factory.mktemp("distccd")
    with distccd(folder / "one", tools) as one, distccd(folder / "two", tools) as two:
        yield one, two


@pytest.fixture(scope="module")
def tiny(
    fast: Project, hosts: tuple[Compilers, Compilers], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """examples/tiny-kernel.yaml, compiled by two hosts."""
    addresses = " ".join(f"127.0.0.1:{each.port}/2" for each in hosts)
    (fast.root / TINY).write_text(
        "name: tiny-kernel\nimports: [examples/tiny-kernel.yaml]\n"
        "build: {jobs: 4, compiler_prefix: distcc, ccache: {enable: false},\n"
        f"  environment: {{DISTCC_HOSTS: '{addresses}', DISTCC_FALLBACK: '0'}}}}\n"
    )
    fast.doit(f"config={TINY}", "runvm")
    return replace(fast, name="tiny-kernel")


def test_two_hosts_compile(tiny: Project, hosts: tuple[Compilers, Compilers]) -> None:
    assert all(each.compiled > 300 for each in hosts)


def test_tiny(tiny: Project, machine_factory: MachineFactory) -> None:
    named = tiny.root / "config.yaml"
    assert "virtio_blk" in named.read_text()
    machine = machine_factory.at(tiny.script)
    machine.wait_for_console("Creating writable Nix store")
    console = [line.text for line in machine.console.lines]
    loaded = [line.split()[-1] for line in console if line.startswith("Loading kernel module")]
    assert loaded == [
        *(
            "virtio...",
            "virtio_pci...",
            "virtio_net...",
            "virtio_rng...",
            "virtio_blk...",
            "virtio_console...",
        ),
        *("dm_mod...", "tun...", "loop...", "squashfs...", "overlay..."),
    ]
    assert machine.succeed("uname -r").strip().endswith("-tiny")
    modules = {line.split()[0] for line in machine.succeed("cat /proc/modules").splitlines()}
    assert {each.removesuffix("...") for each in loaded} - {"virtio_rng"} <= modules
    assert {"virtio_rng", "qemu_fw_cfg"} <= modules
    # The namespaces that Nix's sandbox needs; and Nix verifies its store.
    assert machine.succeed("unshare -U -r -m -n -i -u -p -f true && echo made") == "made\n"
    machine.succeed("nix-store --verify --check-contents")
    assert machine.shutdown() == 0


def test_diffconfig_shows_requests_and_results(tiny: Project) -> None:
    lines = tiny.doit(f"config={TINY}", "kernel:diffconfig").stdout.splitlines()
    row = next(line.split() for line in lines if line.split()[:1] == ["SQUASHFS"])
    assert row[:5] == ["SQUASHFS", "requested", "m", "got", "m"]
    assert row[5].startswith("kernel/modules.config:")
    assert any(line.endswith("others changed:") for line in lines)
    assert not any(line.startswith("!") for line in lines)


def test_the_menu_writes_a_fragment(fast: Project) -> None:
    """Use the kernel's menuconfig at a terminal: search for a symbol, set it, leave and save."""
    words = [sys.executable, "-m", "doit", f"config={FAST}", "to=mine.config", "kernel:menuconfig"]
    with Screen(words, fast.root, clean_environment()) as screen:
        screen.wait_for("navigate the menu")
        for keys, then in (
            ("/", r"Enter \(sub\)string"),
            ("TMPFS_POSIX_ACL\r", "Search Results"),
            ("1", r"\[ \] +Tmpfs POSIX Access Control Lists"),
            ("y", r"\[\*\] +Tmpfs POSIX Access Control Lists"),
            (LEAVE, "Search Results"),
            (LEAVE, "Processor type and features"),
            (LEAVE, "wish to save"),
            ("\r", "written to mine.config"),
        ):
            screen.type(keys)
            screen.wait_for(then)
    requests = kconfig.fragment((fast.root / "mine.config").read_text(), "mine.config")
    assert [(each.symbol, each.value) for each in requests] == [("TMPFS_POSIX_ACL", "y")]


BAD = [
    (
        "options: {EXT4_FSS: y}",
        "bad.yaml:4: CONFIG_EXT4_FSS=y was requested, but it is n: this kernel has no such symbol; "
        "did you mean EXT4_FS",
    ),
    (
        "options: {NFS_FS: y}",
        "bad.yaml:4: CONFIG_NFS_FS=y was requested, but it is n: "
        "it depends on NETWORK_FILESYSTEMS, which is n",
    ),
    (
        "fragments: [bad.config, latin.config]",
        "bad.config:2: 'CONFIG_X = y' is not a line of a configuration; remove the spaces around =\n"
        'bad.config:4: CONFIG_Y cannot be yes: y, m, n, a number or "text"\n'
        "latin.config:2: byte 0xe9 is not UTF-8 text: a fragment has lines like CONFIG_X=y\n",
    ),
    (
        "options: {EXT4_FSS: y, OVERLAY_FSS: y}",
        "\n    options: {EXT4_FSS: y, OVERLAY_FSS: y}\n              ^^^^^^^^\n"
        "bad.yaml:4: CONFIG_OVERLAY_FSS=y was requested, but it is n: this kernel has no such symbol",
    ),
    (
        "options: {OVERLAY_FS: n}",
        "CONFIG_OVERLAY_FS=y is needed for the writable store, but it is n: bad.yaml:4 turns it off",
    ),
    (
        "options: {MODULES: y, MODULE_SIG: y}",
        "MODULE_SIG=y signs modules with a key that each build generates, so no two builds are the same: "
        "give one",
    ),
    ("patches: [bad.patch]", "bad.patch does not apply: Hunk #1 FAILED at 1."),
    (
        "patches: [broken.patch]",
        "the kernel does not compile (make: status 2)",
    ),
]


@pytest.mark.parametrize(("line", "message"), BAD, ids=[each[0] for each in BAD])
def test_build_errors(fast: Project, line: str, message: str) -> None:
    root = fast.root
    (root / "bad.config").write_text("# mine\nCONFIG_X = y\n\nCONFIG_Y=yes\n")
    (root / "latin.config").write_bytes(b"CONFIG_X=y\n# \xe9t\xe9\n")
    (root / "bad.patch").write_text(
        "--- a/Makefile\n+++ b/Makefile\n@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n three\n"
    )
    (root / "broken.patch").write_text(
        "--- a/init/main.c\n+++ b/init/main.c\n@@ -1,1 +1,2 @@\n"
        " // SPDX-License-Identifier: GPL-2.0-only\n+broken\n"
    )
    (root / "bad.yaml").write_text(f"name: bad\nimports: [{FAST}]\nkernel:\n  {line}\n")
    (root / "bad.lock").write_bytes((root / "fast-here.lock").read_bytes())
    done = fast.doit("config=bad.yaml", "kernel:build", check=False)
    assert done.returncode
    assert message in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stdout.splitlines()) < 25
    if "broken" in line:
        assert "init/main.c:2:7: error: expected ';' before 'typedef'" in done.stdout
        assert done.stdout.rstrip().endswith("the full output is in build/bad/kernel.log")


def test_a_tarball_is_verified(fast: Project, shared: HttpCache) -> None:
    (shared.folder / "kept/linux.tar").write_bytes(b"hello")
    source = f"{{url: '{shared.url}/linux.tar', sha256: '{'0' * 64}'}}"
    text = f"name: bad\nimports: [examples/minimal.yaml]\nkernel: {{source: {source}}}\n"
    (fast.root / "bad.yaml").write_text(text)
    (fast.root / "bad.lock").unlink(missing_ok=True)
    done = fast.doit("config=bad.yaml", "kernel:fetch", check=False)
    assert "kernel.source: " in done.stdout
    assert "has a wrong sha256, 2cf24dba5fb0a30e" in done.stdout
    assert "check kernel.source in the config" in done.stdout
    (fast.root / "bad.yaml").write_text(text.replace("/linux.tar", "/nowhere.tar"))
    done = fast.doit("config=bad.yaml", "kernel:fetch", check=False)
    assert "no longer has kernel.source" in done.stdout
