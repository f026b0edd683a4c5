"""Programs that scripts start and all packages lack."""

from pathlib import Path

import pytest

from notos import loader
from notos.features import registry
from notos.formats.tree import Tree
from notos.system import programs


@pytest.fixture
def system() -> Tree:
    """Return a /usr in the form of system-path."""
    tree = Tree()
    for path in ("bin/sh", "bin/env", "bin/busybox", "bin/python3.13", "sbin/nginx"):
        tree.text(path, "", executable=True)
    for path in ("bin/chpst", "bin/nice", "bin/nohup"):
        tree.text(path, "", executable=True)
    tree.symlink("bin/httpd", "busybox")
    tree.symlink("bin/python3", "python3.13")
    tree.symlink("bin/lost", "lost-1")
    tree.symlink("sbin/reboot", "/etc/runit/shutdown")
    tree.symlink("sbin/absolute", "/bin/busybox")
    tree.symlink("bin/from-etc", "/etc/alternatives/x")
    tree.symlink("bin/dangling", "/usr/lib/none/x")
    tree.symlink("bin/dangling-too", "/bin/none")
    tree.text("bin/tunnel", "#!/bin/bash\n", executable=True)
    tree.text("bin/ours", "#!/bin/sh\n", executable=True)
    return tree


def said(tmp_path: Path, system: Tree, script: str) -> list[str]:
    """Return the problems of a service with this run script."""
    (tmp_path / "c.yaml").write_text("name: x\nservices: {web: {run: placeholder}}\n")
    machine = loader.load(tmp_path / "c.yaml").machine
    runit = Tree()
    runit.text("services/web/run", script, executable=True)
    found = list(programs.lacking(registry.features(machine), system=system, runit=runit))
    assert all(each.keys == ("services", "web", "run") for each in found)
    return [each.message for each in found]


SH = "#!/bin/sh\n"


@pytest.mark.parametrize(
    "script",
    [
        SH + "exec httpd -f",
        SH + "exec nginx -g 'daemon off;'",
        SH + "exec /usr/sbin/nginx",
        SH + "exec /usr/bin/python3 -m x",
        SH + "exec reboot",
        SH + "ours up",
        SH + "exec absolute",
        SH + "exec from-etc",
        SH + "exec 2>&1\nexec httpd",
        SH + "exec /etc/web/start",
        SH + "exec ./start",
        SH + "exec $program",
        SH + 'exec "$program"',
        SH + "PATH=/opt:$PATH\nexec mine",
        SH + "if a; then exec mine; fi\nexec httpd",
        SH + "echo exec mine",
        SH + "sleep 1",
        "#!/usr/bin/python3\nexec mine",
        "#!/usr/bin/env python3\n",
        "#!/usr/bin/env -S python3 -u\n",
        "#!/usr/bin/env -S -i A=b -u C python3 -u -W error\n",
        "#!/usr/bin/env -vSpython3 -u\n",
        "#!/usr/bin/env -i perl\n",
        "#!/usr/bin/env --split-string=python3 -u\n",
        "#!/usr/bin/env -S PATH=/opt/bin perl -w\n",
        "#!/usr/bin/env -S ${PERL} -w\n",
        "#! /bin/sh\t-e\nexec httpd",
        SH + "exec -a web httpd -f",
        SH + "exec -aweb httpd -f",
        SH + "exec -cl -a web -- httpd -f",
        SH + "exec -- httpd",
        SH + "exec -x what",
        SH + 'exec chpst -u "$user":b -n 5 -o1024 httpd -f',
        SH + "exec chpst -/ /srv/other caddy",
        SH + "exec chpst -e /etc/web caddy",
        SH + "exec nohup $program",
        SH + "exec env A=b nice -n 5 httpd",
        SH + "cat <<EOF\nexec foo\nEOF",
        SH + "cat <<-'EOF'\n\texec foo\n\tEOF\n",
        SH + "cat <<EOF\nexec foo\n",
        SH + "cat <<A <<'B'\nB\nA\nexec foo\nB\n\n",
        SH + "httpd <<EOF\nit's\nEOF\nexec foo\nsleep 1",
        SH + "if a; then\n  exec mine\nfi\n",
        SH + "exec mine\nhttpd",
        SH + "echo 'a\nexec mine now'",
        SH + "echo 'a\nexec mine '\"now\"'",
        SH + "exec httpd \\\n  exec \\\n  -f\n# the end\n",
        SH + "exec \\\n  httpd",
        "#!/nix/store/x/bin/sh\nexec httpd",
        "\x7fELF",
    ],
)
def test_scripts_without_errors(tmp_path: Path, system: Tree, script: str) -> None:
    assert said(tmp_path, system, script) == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (SH + "exec caddy run", "starts caddy, which no package has"),
        (SH + "exec /usr/bin/caddy", "starts /usr/bin/caddy, which no package has"),
        (SH + "exec lost", "starts lost, a link to lost-1, which no package has"),
        (SH + "exec dangling", "starts dangling, a link to /usr/lib/none/x, which no package has"),
        (SH + "exec dangling-too", "starts dangling-too, a link to /bin/none, which no package has"),
        (SH + "exec chpst -u nobody:nogroup -P caddy run", "starts caddy, which no package has"),
        (SH + "exec chpst -ub nice -n5 env -i A=b B= caddy", "starts caddy, which no package has"),
        (SH + "exec nohup /usr/bin/caddy", "starts /usr/bin/caddy, which no package has"),
        (SH + "exec 2>&1\nexec caddy", "starts caddy, which no package has"),
        ("#!/bin/bash\nexec httpd", "is a script for /bin/bash, which no package has"),
        ("#!/usr/bin/env perl\n", "is a script for perl, which no package has"),
        ("#!/usr/bin/env -S perl -w\n", "is a script for perl, which no package has"),
        ("#!/usr/bin/env -S -u A B=c perl -w\n", "is a script for perl, which no package has"),
        (SH + "exec -a web caddy run", "starts caddy, which no package has"),
        (SH + "exec -cl -- caddy run", "starts caddy, which no package has"),
        (SH + "cat <<EOF\nexec httpd\nEOF\n exec 'caddy' \\\n  run # it\n\n# end\n", "starts caddy, which"),
        (SH + "exec caddy <<EOF\nexec httpd\nEOF\n", "starts caddy, which no package has"),
        (SH + "# it's\nread a <<<b\nexec caddy", "starts caddy, which no package has"),
        ("#!/bin/sh\r\nexec httpd\r\n", "(its lines end in a carriage return), which no package has"),
        (SH + "tunnel up wg0", "starts tunnel, a script for /bin/bash, which no package has"),
        (SH + "exec /bin/tunnel up", "starts /bin/tunnel, a script for /bin/bash, which no package has"),
        ("exec httpd\n", "has no #! in its first line"),
        ("", "has no #! in its first line"),
    ],
)
def test_programs_that_no_package_has(tmp_path: Path, system: Tree, script: str, message: str) -> None:
    (found,) = said(tmp_path, system, script)
    assert found.startswith("services.web.run ")
    assert message in found


def test_scripts_in_etc(tmp_path: Path, system: Tree) -> None:
    (tmp_path / "c.yaml").write_text(
        "name: x\netc:\n"
        "  a: {text: '#!/bin/bash', mode: '0755'}\n"
        "  b: {text: '#!/bin/bash'}\n"
        "  c: {text: '#!/bin/sh', mode: '0700'}\n"
    )
    machine = loader.load(tmp_path / "c.yaml").machine
    (found,) = programs.lacking(registry.features(machine), system=system, runit=Tree())
    assert found.keys == ("etc", "a")
    assert found.message == "etc.a is a script for /bin/bash, which no package has"
