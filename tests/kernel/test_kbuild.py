"""Runs of a kernel's makefiles, with a made-up kernel of a few files; tests/kernels builds real ones."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.config.model import Build, Ccache
from notos.errors import KernelError
from notos.formats.tree import File, Tree
from notos.kernel.kbuild import Kbuild
from notos.toolchain.tools_tree import ToolsTree
from tests.this_host import wait_until

MAKEFILE = """\
KCONFIG_CONFIG ?= $(O)/.config
NAMES := one two three four
OBJECTS := $(NAMES:%=$(O)/init/%.o)
.PHONY: all tinyconfig olddefconfig modules_install
tinyconfig:
	@echo CONFIG_TINY=y > $(KCONFIG_CONFIG)
olddefconfig:
	@grep -v DROPPED $(KCONFIG_CONFIG) | sort -u > $(O)/.new; mv $(O)/.new $(KCONFIG_CONFIG)
$(O)/init/%.o: init/%.c
	@mkdir -p $(@D)
	@echo "  CC      init/$*.o"
	@gcc -O2 -c -o $@ $<
all: $(OBJECTS)
	@mkdir -p $(O)/arch/x86/boot $(O)/include/config
	@echo 6.1.0-test > $(O)/include/config/kernel.release
	@cp $(O)/.config $(O)/include/config/auto.conf
	@echo "  LD      vmlinux"
	@{ cat $(OBJECTS) $(O)/.config; env | grep -E 'KBUILD|ARCH|TZ' | sort; date -r Makefile +%s; \\
		tail -n +3 /proc/net/dev | cut -d: -f1; } > $(O)/arch/x86/boot/bzImage
	@echo kernel/a.ko > $(O)/modules.builtin; printf 'a.license=GPL\\000' > $(O)/modules.builtin.modinfo
modules_install:
	@mkdir -p $(INSTALL_MOD_PATH)/lib/modules/6.1.0-test/kernel
	@cp $(O)/init/one.o $(INSTALL_MOD_PATH)/lib/modules/6.1.0-test/kernel/one.ko
	@ln -s $(O) $(INSTALL_MOD_PATH)/lib/modules/6.1.0-test/build
"""


@pytest.fixture
def kbuild(tmp_path: Path, kernel_tools: ToolsTree) -> Kbuild:
    source = tmp_path / "source"
    (source / "init").mkdir(parents=True)
    (source / "Makefile").write_text(MAKEFILE)
    (source / "Kbuild").write_text("obj-y += init/\n")
    (source / "init/Makefile").write_text("obj-y := one.o two.o three.o four.o\n")
    for name in ("one", "two", "three", "four"):
        (source / f"init/{name}.c").write_text(f"int {name}(void) {{ return 1; }}\n")
    return Kbuild(
        identity="1",
        tools=kernel_tools,
        source=source,
        output=tmp_path / "output",
        ccache=tmp_path / "ccache",
        build=Build(),
        target=AMD64,
    )


class Log:
    """The progress that a build reports."""

    def __init__(self, kbuild: Kbuild) -> None:
        self.path = kbuild.output.parent / "log"
        self.steps: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int, _name: str) -> None:
        self.steps.append((done, total))


def built(kbuild: Kbuild, config: str = "CONFIG_TINY=y\n") -> tuple[Tree, list[tuple[int, int]]]:
    log = Log(kbuild)
    return kbuild.compile(config, log.path, log), log.steps


def data(tree: Tree, path: str) -> bytes:
    entry = tree.get(path)
    assert isinstance(entry, File)
    return entry.read()


def test_output(kbuild: Kbuild) -> None:
    tree, steps = built(kbuild)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert data(tree, "config") == b"CONFIG_TINY=y\n"
    assert data(tree, "lib/modules/6.1.0-test/modules.builtin") == b"kernel/a.ko\n"
    assert data(tree, "lib/modules/6.1.0-test/modules.order") == b""
    tree, steps = built(kbuild, "CONFIG_MODULES=y\n")
    assert steps == []
    names = {path for path, entry in tree.items() if isinstance(entry, File)}
    assert names == {"vmlinuz", "config", "lib/modules/6.1.0-test/kernel/one.ko"}


def test_the_output_does_not_depend_on_the_host(
    kbuild: Kbuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = built(kbuild)
    lines = data(first, "vmlinuz").decode(errors="replace").splitlines()
    assert lines[-1].strip() == "lo"  # no network
    assert {"ARCH=x86_64", "KBUILD_BUILD_HOST=notos", "KBUILD_BUILD_USER=notos", "TZ=UTC"} <= set(lines)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("KBUILD_BUILD_USER", "me")
    elsewhere = replace(
        kbuild, output=tmp_path / "much/deeper", build=Build(jobs=1, ccache=Ccache(enable=False))
    )
    elsewhere.output.parent.mkdir()
    second, _ = built(elsewhere)
    assert data(first, "vmlinuz") == data(second, "vmlinuz")


def test_make_builds_for_the_target(kbuild: Kbuild) -> None:
    tree, _ = built(replace(kbuild, target=replace(AMD64, kernel_arch="other")))
    assert b"ARCH=other\n" in data(tree, "vmlinuz")


def test_an_error_shows_the_compilers_message(kbuild: Kbuild) -> None:
    (kbuild.source / "init/three.c").write_text("int three(void)\n{\n\treturn nothing;\n}\n")
    kbuild = replace(kbuild, build=Build(jobs=1))
    with pytest.raises(KernelError) as caught:
        built(kbuild)
    lines = str(caught.value).splitlines()
    assert lines[0] == "the kernel does not compile (make: status 2)"
    assert any("init/three.c:3:16: error: 'nothing' undeclared" in line for line in lines)
    assert len(lines) < 15
    assert not any("CC " in line for line in lines)
    assert str(caught.value).endswith(f"the full output is in {kbuild.output.parent / 'log'}")
    (kbuild.source / "init/three.c").write_text("int three;\n")
    _, steps = built(kbuild)
    assert len(steps) == 2  # objects compiled before the error are kept


def test_an_interrupted_build_continues(kbuild: Kbuild) -> None:
    def stop(done: int, _total: int, _name: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    kbuild = replace(kbuild, build=Build(jobs=1))
    with pytest.raises(KeyboardInterrupt):
        kbuild.compile("CONFIG_TINY=y\n", kbuild.output.parent / "log", stop)
    _, steps = built(kbuild)
    assert 1 <= len(steps) <= 2


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, ".")
from notos.architecture import AMD64
from notos.kernel.kbuild import Kbuild
from notos.config.model import Build
from notos.toolchain.tools_tree import ToolsTree
tools, top = Path(sys.argv[1]), Path(sys.argv[2])
tools = ToolsTree(tools, AMD64)
kbuild = Kbuild("1", tools, top / "source", top / "output", top / "ccache", Build(jobs=1), AMD64)
kbuild.compile("CONFIG_TINY=y\\n", top / "log", lambda *step: print(*step, flush=True))
"""


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


def test_compilers_end_with_a_killed_build(kbuild: Kbuild, tmp_path: Path) -> None:
    seconds = 900_000 + os.getpid() % 100_000  # other tests of this host have other compilers
    (kbuild.source / "Makefile").write_text(MAKEFILE.replace("@gcc", f"@sleep {seconds}; gcc"))
    words = [sys.executable, "-c", KILLED, str(kbuild.tools.root), str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    wanted = b"sleep\x00%d" % seconds
    wait_until(
        lambda: not any(wanted in command_line(each) for each in Path("/proc").glob("[0-9]*")),
        "a compiler still runs after its build was killed",
    )


def test_output_of_another_source_is_not_reused(kbuild: Kbuild) -> None:
    assert len(built(kbuild)[1]) == 4
    assert len(built(kbuild)[1]) == 0
    assert len(built(replace(kbuild, identity="2"))[1]) == 4


def test_output_from_before_a_crash_is_not_reused(kbuild: Kbuild) -> None:
    built(kbuild)
    mark = kbuild.output / ".notos/at-work"
    assert not mark.exists()
    mark.write_text(Path("/proc/sys/kernel/random/boot_id").read_text())
    assert len(built(kbuild)[1]) == 0  # killed, and the host is still up
    mark.write_text("another boot")
    assert len(built(kbuild)[1]) == 4


def test_ccache(kbuild: Kbuild, tmp_path: Path) -> None:
    first, _ = built(kbuild)
    elsewhere = replace(kbuild, output=tmp_path / "elsewhere")
    second, _ = built(elsewhere)
    assert data(first, "vmlinuz") == data(second, "vmlinuz")
    statistics = subprocess.run(
        [*kbuild.tools.command("ccache"), "--print-stats"],
        env={"CCACHE_DIR": str(kbuild.ccache)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    counts = dict(line.split("\t") for line in statistics.splitlines())
    assert (counts["cache_miss"], counts["direct_cache_hit"]) == ("4", "4")


def test_without_ccache(kbuild: Kbuild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCACHE_DISABLE", "1")
    built(kbuild)
    assert not kbuild.ccache.exists()


def test_resolve(kbuild: Kbuild) -> None:
    assert kbuild.resolve("tinyconfig", ["CONFIG_B=y", "CONFIG_DROPPED=y"]).split() == [
        "CONFIG_B=y",
        "CONFIG_TINY=y",
    ]
    assert kbuild.resolve(b"CONFIG_MINE=y", ["CONFIG_A=y"]).split() == ["CONFIG_A=y", "CONFIG_MINE=y"]
