"""The programs themselves are the judges: they run over a copy of /etc, with other paths in them."""

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from notos import architecture, loader
from notos.cache import Cache
from notos.debian.archive import Archive
from notos.debian.script_files import Files, Packages
from notos.debian.web_modules import run
from notos.formats.tree import File, Tree
from notos.toolchain import peers
from tests.conftest import ROOT

PERL = shutil.which("perl")
pytestmark = pytest.mark.skipif(PERL is None, reason="this host has no perl")
PROGRAMS = (
    *(f"a2{act}{kind}" for act in ("en", "dis") for kind in ("mod", "conf", "site")),
    *("a2query", "phpenmod", "phpdismod", "phpquery", "lighty-enable-mod", "lighty-disable-mod"),
)
STEPS = 60


@pytest.fixture(scope="module")
def packages() -> Path:
    debian = loader.load(ROOT / "config.yaml").machine.debian
    archive = Archive(debian, Cache.default(), architecture.host())
    names = ("apache2", "lighttpd", "php-common", "libapache2-mod-php8.4")
    return peers.tree(names, archive, ROOT / "build/tests/web.lock").root


class Judge:
    """The programs in a folder that stands for /."""

    def __init__(self, packages: Path, root: Path) -> None:
        self.root = root
        for each in ("etc/apache2", "etc/lighttpd", "usr/lib/php"):
            shutil.copytree(packages / each, root / each, symlinks=True)
        shutil.rmtree(root / "etc/php", ignore_errors=True)
        for name, priority in (("one", 10), ("two", 0), ("three", 30)):
            text = f"; priority={priority}\nextension={name}.so\n" if priority else f"extension={name}.so\n"
            for version in ("8.4", "8.3"):
                (root / f"etc/php/{version}/mods-available").mkdir(parents=True, exist_ok=True)
                (root / f"etc/php/{version}/mods-available/{name}.ini").write_text(text)
        for version, sapi in (("8.4", "cli"), ("8.4", "apache2"), ("8.3", "cli")):
            (root / f"etc/php/{version}/{sapi}/conf.d").mkdir(parents=True)
            (root / f"usr/lib/php/{version}/sapi").mkdir(parents=True, exist_ok=True)
            (root / f"usr/lib/php/{version}/sapi/{sapi}").touch()
        for folder in ("apache2/mods", "apache2/conf", "apache2/sites", "lighttpd/conf"):
            (root / f"etc/{folder}-enabled").mkdir(exist_ok=True)
        (root / "etc/apache2/conf-available/needs.conf").write_text("# Depends: rewrite\n")
        sbin = root / "usr/sbin"
        sbin.mkdir(parents=True)
        (sbin / "apache2ctl").write_text("#!/bin/sh\nexit 1\n")
        (sbin / "apache2ctl").chmod(0o755)
        for name in PROGRAMS:
            self._rewrite(packages / "usr/sbin" / name, sbin / name)
        self._rewrite(packages / "usr/lib/php/php-helper", root / "usr/lib/php/php-helper")

    def _rewrite(self, source: Path, target: Path) -> None:
        text = source.read_text()
        text = re.sub(
            r"/(?=(?:etc|var/lib|usr/lib|usr/sbin)/(?:apache2|lighttpd|php))", f"{self.root}/", text
        )
        text = text.replace("elsif ( $acton eq 'cache_disk' )", "elsif ( 0 )")  # which calls systemctl
        target.write_text(text)
        target.chmod(0o755)

    def run(self, words: list[str]) -> tuple[int, str]:
        environment = {"PATH": f"{self.root}/usr/sbin:{os.environ['PATH']}", "LC_ALL": "C"}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, input="")
        return done.returncode, done.stdout

    def links(self) -> dict[str, str]:
        found = {}
        for path in sorted((self.root / "etc").rglob("*")):
            if path.is_symlink():
                found[str(path.relative_to(self.root))] = os.readlink(path).removeprefix(str(self.root))
        return found

    def states(self) -> list[str]:
        found = (self.root / "var/lib").rglob("*") if (self.root / "var/lib").exists() else ()
        return sorted(str(path.relative_to(self.root)) for path in found if path.is_file())


def lines(kind: str, packages: Path) -> Iterator[list[str]]:
    """Yield command lines in a random order that is the same each time."""
    order = random.Random(kind)
    modules = [
        "mpm_event",
        "mpm_prefork",
        "ssl",
        "cgi",
        "cgid",
        "dav_fs",
        "dav",
        "php8.4",
        "proxy_http",
        "proxy",
    ]
    modules += ["absent", "authz_*", "setenvif", "ssl.load"]
    parts = {"mod": modules, "conf": ["security", "charset.conf", "needs", "x"], "site": ["000-default", "*"]}
    for _ in range(STEPS):
        if kind == "apache":
            part = order.choice([*["mod"] * 4, "conf", "site"])
            name = order.choice(parts[part])
            flags = order.choice([["-q"], ["-m", "-q"], ["-qf"], ["-m", "-f", "-q"]])
            yield [f"a2{order.choice(['en', 'dis'])}{part}", *flags, name]
            yield ["a2query", {"mod": "-m", "conf": "-c", "site": "-s"}[part], name.partition(".")[0]]
            yield order.choice(
                [["a2query", "-m"], ["a2query", "-c"], ["a2query", "-s"], ["a2query", "-q", "-M"]]
            )
        elif kind == "lighttpd":
            available = (packages / "etc/lighttpd/conf-available").glob("*.conf")
            names = [*sorted(re.sub("^[0-9]+-", "", each.stem) for each in available), "absent"]
            yield [f"lighty-{order.choice(['enable', 'enable', 'disable'])}-mod", *order.sample(names, 2)]
        else:
            name, version = order.choice(["one", "two", "three", "absent"]), order.choice(["8.4", "8.3"])
            where = order.choice(
                [[], ["-v", version], ["-v", version, "-s", "cli"], ["-v", "ALL", "-s", "ALL"]]
            )
            flags = order.choice([[], ["-m"], ["-m", "-r"], ["-q"]])
            yield [order.choice(["phpenmod", "phpenmod", "phpdismod"]), *flags, *where, name]
            yield ["phpquery", "-q", "-v", version, "-s", order.choice(["cli", "apache2"]), "-m", name]
            yield order.choice([["phpquery", "-V"], ["phpquery", "-S", "-v", "8.3"]])


@pytest.mark.parametrize("kind", ["apache", "lighttpd", "php"])
def test_each_program_does_the_same(packages: Path, tmp_path: Path, kind: str) -> None:
    judge = Judge(packages, tmp_path / "root")
    before = Tree()
    for path, entry in Tree.from_directory(judge.root).items():
        before.add(path, File(entry.read(), entry.executable) if isinstance(entry, File) else entry)
    files = Files(Packages(before, ("etc/apache2/mods-enabled", "etc/apache2/conf-enabled")))
    first = judge.links()
    for number, words in enumerate(lines(kind, packages)):
        status, output = judge.run(words)
        place = f"step {number}: {words}"
        found = run(words, files)
        assert found, place
        assert found.status == status, place
        if found.output is not None:
            assert sorted(found.output.splitlines()) == sorted(output.splitlines()), place
        made = {path: node.target for path, node in files.made.items() if node.kind == "l"}
        assert {**first, **made} == judge.links(), place
        states = sorted(path for path, node in files.made.items() if path.startswith("var/lib/"))
        assert states == judge.states(), place


def test_unknown_words_and_files_are_unknown() -> None:
    files = Files()
    for words in (["a2enmod", "ssl"], ["a2query", "-m"], ["phpenmod", "one"], ["lighty-enable-mod", "ssl"]):
        assert run(words, files) is None
    assert run(["a2enmod", None], Files(Packages(Tree()))) is None
    assert run(["echo"], Files(Packages(Tree()))) is None
