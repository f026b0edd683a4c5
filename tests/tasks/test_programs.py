"""build.NAME through the user's command: programs of several kinds, what builds again, and errors."""

import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from notos.cache import Cache
from notos.formats.tree import File, Symlink, Tree
from tests.conftest import Project, copy_project
from tests.programs.packages import Registry, index, integrity, pinned, registry, sdist, tarball, wheel

MAKEFILE = """\
hello: main.c
\t$(CC) -O2 -o $@ main.c
install: hello
\tinstall -D hello $(DESTDIR)$(PREFIX)/bin/hello
"""
MAIN = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
LIBRARY = "#include <cap-ng.h>\nint main(void) { return capng_get_caps_process(); }\n"
Programs = Mapping[str, Any]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_project(tmp_path_factory.mktemp("programs") / "notos")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Registry]]:
    """Yield a folder and a server with its files."""
    root = tmp_path_factory.mktemp("www")
    with registry(root) as found:
        yield root, found


def configure(project: Project, programs: Programs, **others: Any) -> None:
    config: dict[str, Any] = {"name": "box", "ssh": {"server": "none"}, "build": {"jobs": 2, **programs}}
    (project.root / "config.yaml").write_text(yaml.safe_dump(config | others, sort_keys=False))


def source(project: Project, name: str, files: Mapping[str, str]) -> Path:
    """Write the folder `name` of the project anew."""
    folder = project.root / name
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def made(project: Project, task: str) -> Tree:
    """Return the tree of a task's object."""
    manifest = json.loads((project.root / f"build/box/manifests/{task}.json").read_bytes())
    return Tree.from_directory(project.root / "build/box/store" / Path(manifest["path"]).name)


def text(tree: Tree, path: str) -> str:
    entry = tree.get(path)
    assert isinstance(entry, File), path
    return entry.read().decode()


def environment(server: Registry) -> dict[str, str]:
    """Return variables by which pip and npm use only the server."""
    return {
        **{name: "" for name in os.environ if name.startswith("PIP_")},
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": f"{server.url}/simple",
        "npm_config_registry": server.url,
        "NO_PROXY": "127.0.0.1",
    }


def failure(project: Project, programs: Programs, variables: Mapping[str, str] = {}, **others: Any) -> str:
    configure(project, programs, **others)
    done = project.doit("files", check=False, environment=variables)
    assert done.returncode
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_program_in_c(project: Project) -> None:
    """Its build, what runs after an edit, and the cache."""
    main = f"{MAIN}// {uuid.uuid4()}\n"  # which no cache has
    folder = source(project, "hello", {"Makefile": MAKEFILE, "main.c": main, ".git/HEAD": "x"})
    programs: dict[str, Any] = {
        "hello": {"source": "hello"},
        "other": {
            "source": "hello",
            "run": "gcc -o other main.c; date -u +%Y >when; id -un >>when; pwd >>when",
            "install": {"/usr/bin/other": "other", "/srv/when": "when"},
        },
    }
    configure(project, programs)
    project.doit("files", "state")
    files = made(project, "files")
    assert isinstance(files.get("usr/bin/other"), File)
    assert files.get("opt/hello/bin/hello").executable  # type: ignore[union-attr]
    assert "/srv/when\tf\t0644\troot\troot" in text(made(project, "state"), "table")
    assert text(made(project, "state"), "tree/srv/when") == "1980\nroot\n/source\n"
    assert not list((project.root / "build/box/programs").iterdir())

    assert project.ran("files", "state") == []
    os.utime(folder / "main.c")
    (folder / ".git/HEAD").write_text("y")
    assert project.ran("files", "state") == []
    (folder / "main.c").write_text(main.replace("hello", "hullo"))
    assert set(project.ran("files", "state")) == {"programs:hello", "programs:other", "files", "state"}
    configure(project, {**programs, "hello": {"source": "hello", "exclude": ["*.txt"]}})
    assert project.ran("files", "state") == ["programs:hello"]
    # The system's packages do not matter.
    configure(project, programs, system={"packages": ["hello"]})
    assert "programs:other" not in project.ran("files")

    # Another checkout finds the results in the cache.
    shutil.rmtree(project.root / "build/box")
    before = cached()
    configure(project, programs)
    assert {"programs:hello", "programs:other"} <= set(project.ran("files"))
    assert cached() == before


def cached() -> set[str]:
    return {each.name for each in (Cache.default().root / "programs").iterdir()}


def test_the_project_itself_is_the_source(tmp_path: Path) -> None:
    """Neither its outputs nor its config belong to the source."""
    project = copy_project(tmp_path / "notos")
    listing = "find . -mindepth 1 -maxdepth 1 | sort >listing"
    program = {"source": ".", "run": listing, "install": {"/srv/listing": "listing"}}
    configure(project, {"app": program})
    project.doit("state")
    listed = text(made(project, "state"), "tree/srv/listing").split()
    assert "./dodo.py" in listed
    assert not {"./build", "./result", "./config.yaml", "./config.lock", "./.doit.db"} & set(listed)
    configure(project, {"app": program}, hostname="other")
    assert project.ran("state") == []


def test_a_python_program(project: Project, served: tuple[Path, Registry]) -> None:
    """Wheels, a source archive, the project itself, its command, and byte code; then from the cache alone."""
    root, server = served
    needed = wheel(root / "files", "needed", "1.0", {"needed.py": "def main():\n    print('needed')\n"})
    tool = wheel(
        root / "files",
        "tool_a",
        "2.0",
        {"tool_a/__init__.py": "", "tool_a/cli.py": "def main():\n    print('tool')\n"},
        requires=["needed>=1"],
        commands={"tool-a": "tool_a.cli:main"},
    )
    setup = (
        "import os\nfrom setuptools import setup\n"
        "with open('pure_place.py', 'w') as stream:\n    stream.write(os.getcwd())\n"
        "setup(name='pure', version='3.0', py_modules=['pure', 'pure_place'])\n"
    )
    pure = sdist(root / "files", "pure", "3.0", {"setup.py": setup, "pure.py": "x = 1\n"})
    index(root, [needed, tool, pure])
    lines = "".join(map(pinned, (needed, tool, pure)))
    pyproject = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "my-app"
version = "0.1"
dependencies = ["tool_a"]
[project.scripts]
my-app = "my_app:main"
"""
    source(
        project,
        "app",
        {
            "pyproject.toml": pyproject,
            "requirements.txt": lines,
            "my_app.py": "import needed\ndef main():\n    needed.main()\n",
        },
    )
    configure(project, {"app": {"source": "app"}})
    project.doit("files", environment=environment(server))
    files = made(project, "files")
    packages = "opt/app/lib/python3.13/site-packages"
    for path in ("needed.py", "tool_a/cli.py", "pure.py", "my_app.py"):
        assert f"{packages}/{path}" in files
        name = Path(path)
        assert (
            f"{packages}/{name.parent / '__pycache__' / name.stem}.cpython-313.pyc".replace("/./", "/")
            in files
        )
    # Compilers write the folder of a build into their output.
    assert text(files, f"{packages}/pure_place.py") == "/tmp/archive/pure-3.0"
    for command in ("tool-a", "my-app"):
        assert text(files, f"opt/app/bin/{command}").startswith("#!/opt/app/bin/python3\n")
    assert files.get("opt/app/bin/python3") == Symlink("/usr/bin/python3")
    assert "include-system-site-packages = false\n" in text(files, "opt/app/pyvenv.cfg")
    record = text(files, f"{packages}/tool_a-2.0.dist-info/RECORD")
    assert "../../../bin/tool-a,sha256=" in record

    server.requests.clear()
    (project.root / "app/my_app.py").write_text("def main():\n    pass\n")
    assert set(project.ran("files", **environment(server))) == {"programs:app", "files"}
    assert server.requests == []


def test_an_application_without_a_project(project: Project, served: tuple[Path, Registry]) -> None:
    """Its files are beside the packages. Debian's packages are visible only without a requirements file."""
    source(project, "web", {"requirements.txt": "", "main.py": "x = 1\n", "templates/a.html": "a"})
    configure(project, {"web": {"source": "web"}})
    project.doit("files", environment=environment(served[1]))
    files = made(project, "files")
    assert text(files, "opt/web/templates/a.html") == "a"
    assert "opt/web/__pycache__/main.cpython-313.pyc" in files
    source(project, "web", {"setup.py": "from setuptools import setup\nsetup(name='web', py_modules=[])\n"})
    configure(project, {"web": {"source": "web"}})
    project.doit("files", environment=environment(served[1]))
    assert "include-system-site-packages = true\n" in text(made(project, "files"), "opt/web/pyvenv.cfg")


def test_a_node_program(project: Project, served: tuple[Path, Registry]) -> None:
    root, server = served
    entries: dict[str, Any] = {}
    for name, dev in (("a", False), ("dev", True)):
        package = {"name": name, "version": "1.0.0", "bin": {f"{name}-cmd": "cli.js"}}
        cli = f"#!/usr/bin/env node\nrequire('fs').writeFileSync('{name}.txt', '{name}')\n"
        data = tarball({"package.json": json.dumps(package), "cli.js": cli})
        path = root / name / "-" / f"{name}-1.0.0.tgz"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        entries[f"node_modules/{name}"] = {
            "version": "1.0.0",
            "integrity": integrity(data),
            "bin": package["bin"],
            "dev": dev,
        }
    own = {"name": "app", "version": "1.0.0", "scripts": {"build": "dev-cmd && a-cmd"}}
    needs = {"dependencies": {"a": "1.0.0"}, "devDependencies": {"dev": "1.0.0"}}
    lock = {"lockfileVersion": 3, "packages": {"": {**own, **needs}, **entries}}
    source(
        project,
        "node",
        {
            "package.json": json.dumps({**own, **needs}),
            "package-lock.json": json.dumps(lock),
            ".npmrc": f"//host/:_authToken=secret\nregistry={server.url}\n",
        },
    )
    configure(project, {"node": {"source": "node"}})
    project.doit("files", environment=environment(server))
    files = made(project, "files")
    assert (text(files, "opt/node/dev.txt"), text(files, "opt/node/a.txt")) == ("dev", "a")
    assert files.get("opt/node/node_modules/.bin/a-cmd") == Symlink("../a/cli.js")
    assert not {"node_modules/dev", "node_modules/.bin/dev-cmd", ".npmrc"} & {
        path.removeprefix("opt/node/") for path, _ in files.items()
    }


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo why; false; echo never",
            r"build\.app failed \(exit status 1\)\n +\| why\n.* kept: \S+/programs/app",
        ),
        ("echo $unset", r"unset"),
        ({"run": "sleep 60", "timeout": 2}, r"failed \(no end after 2 s\)"),
        ("bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'", r"Network is unreachable"),
        (
            {"run": "true", "install": {"/opt/a": "main.o"}},
            r"install: the build made no main\.o; its folder has README",
        ),
        (
            {"run": "ln -s /etc/ssl dist", "install": {"/opt/a": "dist"}},
            r"install: dist leads out of the source, to /etc/ssl",
        ),
        ("true", r"the build made no file for the machine: name files in install"),
        ("mkdir -p $DESTDIR/etc; echo x >$DESTDIR/etc/x", r"the build made /etc.*programs are below /usr"),
        ("mkdir -p /opt/a; ln -s /source/x /opt/a/x", r"/opt/a/x is a link to /source/x, only in the build"),
        ("cp /bin/true /opt/true; chmod u+s /opt/true", r"/opt/true is setuid or setgid"),
        (
            "mkdir -p $DESTDIR/usr/bin; cp /bin/true $DESTDIR/usr/bin/busybox",
            r"bin/busybox, which a",
        ),
        ("mkdir /opt/a; echo x >/opt/a/file", r"build\.app and files\./opt/a/file both make /opt/a/file"),
        ("mkdir -p /opt/bin; printf '#!/usr/bin/ruby' >/opt/bin/x; chmod +x /opt/bin/x", r"lacks /?\S*ruby"),
    ],
)
def test_builds_that_fail(project: Project, script: Any, said: str) -> None:
    source(project, "app", {"README": "x"})
    program = {"source": "app", **(script if isinstance(script, dict) else {"run": script})}
    found = failure(project, {"app": program}, files={"/opt/a/file": {"text": "x"}})
    assert re.search(said, found, re.DOTALL), found
    assert re.search(r"config\.yaml:\d+", found)


def test_a_library_that_the_machine_lacks(project: Project) -> None:
    source(project, "app", {"main.c": LIBRARY})
    program = {
        "source": "app",
        "packages": ["gcc", "libc6-dev", "libcap-ng-dev"],
        "run": "gcc -o app main.c -lcap-ng",
        "install": {"/opt/app/app": "app"},
    }
    found = failure(project, {"app": program})
    assert "lacks libcap-ng.so.0, which /opt/app/app needs: add libcap-ng0 to build.app.needs" in found
    configure(project, {"app": {**program, "needs": ["libcap-ng0"]}})
    project.doit("files")
    assert "lib/x86_64-linux-gnu/libcap-ng.so.0" in made(project, "system-path")


def test_python_errors(project: Project, served: tuple[Path, Registry]) -> None:
    root, server = served
    alone = wheel(root / "files", "alone", "1.0", {"alone.py": ""}, requires=["absent"])
    backend = "[build-system]\nrequires = ['hatchling']\n"
    exotic = sdist(root / "files", "exotic", "1.0", {"pyproject.toml": backend})
    index(root, [alone, exotic])
    for lines, said in (
        (pinned(alone), r"alone 1.0 requires absent, which is not installed.*pin these packages"),
        (
            pinned(exotic),
            r"exotic 1.0 has no wheel for this machine.* python3-hatchling: add them to build.app",
        ),
        ("alone==1.0\n", r"requirements.txt:1: alone has no hash"),
        (pinned(alone).replace("1.0", "7"), r"requirements.txt:1: alone==7: no index has this version"),
    ):
        source(project, "app", {"requirements.txt": lines})
        found = failure(project, {"app": {"source": "app"}}, environment(server))
        assert re.search(said, found, re.DOTALL), found
        assert re.search(r"config\.yaml:\d+", found)


@pytest.mark.parametrize(
    ("files", "program", "said"),
    [
        ({"x": ""}, {}, r"build\.app needs run: \S+ has none of pyproject\.toml, package\.json"),
        ({"package.json": '{"dependencies": {"a": "1"}}'}, {}, r"has no package-lock\.json; run `npm"),
        ({"go.mod": "module x", "setup.py": ""}, {}, r"has files of python and go"),
        ({"Makefile": ""}, {"install": {"/etc/x": "x"}}, r"install\./etc/x: programs are below /usr"),
        (
            {"requirements.txt": "", "setup.py": ""},
            {"exclude": ["*.txt"]},
            r"app/requirements\.txt is excluded from the source; the build needs it",
        ),
        ({"package.json": "", "package-lock.json": "../outside"}, {}, r"package-lock\.json is outside of"),
        ({"Cargo.toml": "", "Cargo.lock": "/etc/Cargo.lock"}, {}, r"Cargo\.lock is outside of"),
        ({"Makefile": ""}, {"install": {"/bin/x": "x"}}, r"install\./bin/x: programs are below /usr"),
    ],
)
def test_errors_before_the_build(
    project: Project, files: dict[str, str], program: dict[str, Any], said: str
) -> None:
    folder = source(project, "app", files)
    for path, text in files.items():
        if text.startswith(("/", ".")):  # links
            (folder / path).unlink()
            (folder / path).symlink_to(text)
    found = failure(project, {"app": {"source": "app", **program}})
    assert re.search(rf"config\.yaml:\d+: .*{said}", found), found
