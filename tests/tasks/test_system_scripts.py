"""system.scripts through the user's command: changes, the sandbox, what runs again, and errors."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from notos.formats.tree import File, Symlink, Tree
from tests.conftest import Project, clean_environment, copy_project

Scripts = Mapping[str, Any]

CHANGES = """
test "$(id -u):$HOME:$TZ:$LANG" = 0:/root:UTC:C.UTF-8
test -e /usr/share/from-files
date -u >/usr/share/when
echo "$SOURCE_DATE_EPOCH" >>/usr/share/when
mkdir /opt/app /var/lib/app
echo app >/opt/app/file
echo state >/var/lib/app/file
chmod 600 /var/lib/app/file
echo conf >/etc/app.conf
chmod 640 /etc/app.conf
rm /etc/services
echo gone >/tmp/x
echo gone >/run/x
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_project(tmp_path_factory.mktemp("scripts") / "notos")


def configure(project: Project, scripts: Scripts, **others: Any) -> None:
    config: dict[str, Any] = {
        "name": "box",
        "ssh": {"server": "none"},
        "files": {"/usr/share/from-files": {"text": "files\n"}},
        "system": {"scripts": scripts},
    }
    (project.root / "config.yaml").write_text(yaml.safe_dump(config | others, sort_keys=False))


def made(project: Project, task: str) -> Tree:
    """Return the tree of a task's object."""
    manifest = json.loads((project.root / f"build/box/manifests/{task}.json").read_bytes())
    return Tree.from_directory(project.root / "build/box/store" / Path(manifest["path"]).name)


def text(tree: Tree, path: str) -> str:
    entry = tree.get(path)
    assert isinstance(entry, File), path
    return entry.read().decode()


def failure(project: Project, scripts: Scripts, **others: Any) -> str:
    configure(project, scripts, **others)
    done = project.doit("toplevel", check=False)
    assert done.returncode
    assert "Traceback" not in done.stdout + done.stderr
    said = done.stdout + done.stderr
    return said[said.index("FAILED") :]


def test_changes_reach_the_machine(project: Project) -> None:
    configure(
        project, {"change": CHANGES, "see": {"run": "cat /opt/app/file /etc/app.conf >/usr/share/seen"}}
    )
    project.doit("toplevel")
    files, state, toplevel = (made(project, each) for each in ("files", "state", "toplevel"))
    assert text(files, "usr/share/when") == "Tue Jan  1 00:00:00 UTC 1980\n315532800\n"
    # All else is a link to system-path.
    shared = {path: entry for path, entry in made(project, "files").items() if isinstance(entry, File)}
    assert set(shared) == {
        *("usr/share/when", "usr/share/seen", "usr/share/from-files", "opt/app/file"),
    }
    assert text(files, "usr/share/seen") == "app\nconf\n"
    assert text(files, "usr/share/from-files") == "files\n"
    assert text(files, "opt/app/file") == "app\n"
    assert "/var/lib/app/file\tf\t0600\troot\troot" in text(state, "table")
    assert text(toplevel, "etc/app.conf") == "conf\n"
    assert 'chmod 0640 "$etc"/app.conf\n' in text(toplevel, "permissions")
    assert "etc/services" not in toplevel
    assert isinstance(toplevel.get("etc/protocols"), Symlink)
    assert not list((project.root / "build/box/scripts").iterdir())


def test_what_runs_again(project: Project) -> None:
    scripts = {"a": "echo a >/usr/share/a", "b": "echo b >/srv/b"}
    configure(project, scripts)
    project.doit("toplevel")
    assert project.ran("toplevel") == []
    configure(project, {**scripts, "b": "echo c >/srv/b"})
    assert set(project.ran("toplevel")) == {"system_scripts:b", "files", "state", "toplevel"}
    configure(
        project,
        scripts,
        etc={"motd": {"text": "hi\n"}},
        files={"/srv/x": {"text": "x"}, "/usr/share/from-files": {"text": "files\n"}},
    )
    assert set(project.ran("toplevel")) == {"system_scripts:b", "files", "state", "toplevel"}
    configure(project, {**scripts, "a": "echo a > /usr/share/a"})
    assert set(project.ran("toplevel")) == {"system_scripts:a", "state", "toplevel"}


def test_packages_of_a_script_are_not_in_the_machine(project: Project) -> None:
    configure(
        project,
        {"say": {"run": "hello -g hi >/usr/share/said; rm /usr/share/info/* || :", "packages": ["hello"]}},
    )
    project.doit("toplevel")
    files = made(project, "files")
    assert text(files, "usr/share/said") == "hi\n"
    assert "usr/bin/hello" not in files
    assert "usr/bin/hello" not in made(project, "system-path").as_usr()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo why; false; echo never", r"system\.scripts\.x failed \(exit status 1\)\n  \| why\n "),
        ("#!/bin/sh\nfalse\nexit 3", r"failed \(exit status 3\)"),
        ("#!/bin/nothing\n", r"failed \(exit status 127\)"),
        ("wget -T 5 -O /srv/a http://127.0.0.1:1/", r"refused"),
        ("nslookup mirror.example 192.0.2.1", r"unreachable"),
        ({"run": "sleep 60", "timeout": 2}, r"failed \(no end after 2 s\)"),
        ("head -c 9 /dev/urandom >/usr/share/random", r"not reproducible: .* /usr/share/random: look for"),
        ("mktemp /etc/XXXXXX", r"not reproducible: .* /etc/\w{6}, /etc/\w{6}: look"),
        ("echo $$ >/var/pid", r"not reproducible: .* /var/pid: look"),
        ("cat /proc/uptime >/opt/uptime", r"not reproducible: .* /opt/uptime: look"),
        (
            "if mkdir -p /srv/a && test $(nproc) = 1; then rm -r /usr/share/terminfo; fi; nproc >/srv/n",
            r"/srv/n",
        ),
        ("echo x >/boot/x", r"not kept: /boot/x: only changes in /usr, /opt, /etc"),
        ("mkfifo /var/pipe", r"pipe: /var/pipe"),
        ("chmod u+s /usr/bin/busybox", r"setuid or setgid programs: /usr/bin/busybox"),
        ("echo a >/var/a; chown 1000 /var/a", r"only root owns files here, tmpfiles\.d gives others"),
        ("echo x >/etc/motd", r"system\.scripts\.x and etc\.motd both make /etc/motd: leave one out"),
        ("echo x >/etc/hostname", r"x and Notos both make /etc/hostname: change it by its key"),
        ("echo x:x:1:1::/: >>/etc/passwd", r"changed the accounts: /etc/passwd: .* users and groups"),
    ],
)
def test_errors(project: Project, script: Any, said: str) -> None:
    if "nproc" in str(script) and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("this host has one processor")
    whole = failure(project, {"x": script}, etc={"motd": {"text": "hi\n"}})
    assert re.search(said, whole), whole
    assert re.search(r"config\.yaml:\d+: system\.scripts\.x ", whole)
    assert not list((project.root / "build/box/scripts").iterdir())


def test_each_script_sees_what_earlier_ones_made_and_removed(project: Project) -> None:
    make = "echo x | tee /etc/gone /etc/turned /srv/gone /srv/turned /usr/share/gone >/usr/share/turned"
    remove = "rm /etc/gone /srv/gone /usr/share/gone"
    turn = "for x in /etc /srv /usr/share; do rm $x/turned; mkdir $x/turned; echo y >$x/turned/in; done"
    see = "ls -d /*/gone /*/turned/in /usr/share/gone /usr/share/turned/in >/usr/share/seen 2>/dev/null || :"
    configure(project, {"make": make, "remove": f"{remove}; {turn}", "see": see})
    project.doit("toplevel")
    seen = ["/etc/turned/in", "/srv/turned/in", "/usr/share/turned/in"]
    files = made(project, "files")
    assert text(files, "usr/share/seen").split() == seen
    toplevel = [f"/{path}" for path, _ in made(project, "toplevel").items()]
    kept = [path for path in toplevel if "gone" in path or "turned/" in path]
    assert kept == ["/etc/turned/in"]
    state = [path for path, _ in made(project, "state").items() if path.startswith("tree/srv/")]
    assert state == ["tree/srv/turned", "tree/srv/turned/in"]
    assert "usr/share/gone" not in files


@pytest.mark.parametrize(
    ("script", "both"),
    [
        ("mkdir -p /var/www; echo script >/var/www/index.html", "/var/www/index.html"),
        ("mkdir -p /var/www/index.html/a", "/var/www/index.html"),
        ("echo file >/var/www", "/var/www"),
        ("mkdir /etc/site; echo script >/etc/site/index.html", "/etc/site/index.html"),
    ],
)
def test_a_file_within_a_folder_of_files(project: Project, script: str, both: str) -> None:
    """Neither the config nor the script silently replaces what the other makes."""
    (project.root / "site").mkdir(exist_ok=True)
    (project.root / "site/index.html").write_text("config\n")
    files = {"/var/www": {"source": "site"}, "/etc/site": {"source": "site", "owner": "nobody"}}
    whole = failure(project, {"x": script}, files=files)
    key = "/etc/site" if both.startswith("/etc") else "/var/www"
    message = rf"config\.yaml:\d+: system\.scripts\.x and files\.{key} both make {both}: leave one out"
    assert re.search(message, whole), whole


def test_an_unknown_package_is_an_error_at_its_line(project: Project) -> None:
    configure(project, {"x": {"run": "true", "packages": ["hallo-not-there"]}})
    done = project.doit("lock", check=False)
    assert re.search(r"config\.yaml:\d+: .*hallo-not-there", done.stdout + done.stderr)


def test_a_killed_run_is_repeated(project: Project) -> None:
    configure(project, {"x": "echo a >/srv/a; test -e /srv/b || sleep 1000"})
    project.doit("tools:sandbox", "system_path")
    build = subprocess.Popen(
        [sys.executable, "-m", "doit", "system_scripts"],
        cwd=project.root,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    root = project.root / "build/box/scripts/x/1/root"
    until = time.monotonic() + 60
    while not (root / "srv/a").exists():
        assert time.monotonic() < until and build.poll() is None
        time.sleep(0.05)
    build.send_signal(signal.SIGKILL)
    build.wait()
    assert root.exists()
    configure(project, {"x": "echo a >/srv/a"})
    project.doit("system_scripts")
    assert not (project.root / "build/box/scripts/x").exists()
    shutil.rmtree(project.root / "build/box/manifests")
    assert "system_scripts:x" in project.ran("toplevel")
