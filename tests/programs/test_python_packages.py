"""The choice of files for pinned packages, and their way into the cache; pip is the judge."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from notos import architecture
from notos.cache import Cache
from notos.errors import FetchError, NotosError
from notos.programs import python_packages, requirements
from notos.programs.python_index import Places
from notos.programs.requirements import Pinned
from notos.programs.wheels import Python, environment
from tests.programs.packages import Registry, index, pinned, registry, sdist, sha256, wheel

KEYS = ("build", "app")
PYTHON = Python("3.13.5", 41, architecture.AMD64)
TAGS = (
    *(
        "cp313-cp313-manylinux_2_40_x86_64",
        "cp313-cp313-manylinux_2_17_x86_64",
        "cp39-abi3-manylinux2014_x86_64",
    ),
    *("py3-none-any", "cp313-cp313-win_amd64", "cp312-cp312-manylinux_2_17_x86_64"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "www"


@pytest.fixture
def server(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    root.mkdir()
    with registry(root) as found:
        yield found


def read(folder: Path, text: str) -> tuple[Pinned, ...]:
    path = folder / "requirements.txt"
    path.write_text(text)
    return requirements.read(path, environment(PYTHON), KEYS).pinned


def ensure(folder: Path, text: str, server: Registry, cache: Cache) -> list[str]:
    found = python_packages.ensure(
        read(folder, text), PYTHON, cache, KEYS, places=lambda: Places((f"{server.url}/simple",), ())
    )
    assert all(each.place(cache).is_file() for each in found)
    return [each.file for each in found]


@pytest.mark.parametrize("first", range(len(TAGS)))
def test_the_best_wheel_is_the_one_that_pip_downloads(
    first: int, root: Path, server: Registry, tmp_path: Path
) -> None:
    files = [wheel(root / "files", "a", "1.0", {"a.py": tag}, tag=tag) for tag in TAGS[first:]]
    files.append(sdist(root / "files", "a", "1.0", {}))
    index(root, files)
    hashes = " ".join(f"--hash=sha256:{sha256(each)}" for each in files)
    text = f"a==1.0 {hashes}\n"
    (mine,) = ensure(tmp_path, text, server, Cache(tmp_path / "cache"))
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in range(41, 4, -1)]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--isolated"),
            *("--index-url", f"{server.url}/simple", "--only-binary", ":all:", "--python-version", "3.13"),
            *(*platforms, "--platform=manylinux2014_x86_64", "-d", str(tmp_path / "judge"), "a==1.0"),
        ],
        check=first < 4,
        capture_output=True,
        env={"PATH": "/nonexistent", "NO_PROXY": "127.0.0.1"},
    )
    theirs = [each.name for each in (tmp_path / "judge").glob("*")]
    assert [mine] == (theirs or ["a-1.0.tar.gz"])


def test_a_second_time_needs_no_index(root: Path, server: Registry, tmp_path: Path) -> None:
    made = wheel(root / "files", "a", "1.0", {"a.py": ""})
    index(root, [made], as_json=True)
    cache = Cache(tmp_path / "cache")
    for _ in range(2):
        assert ensure(tmp_path, pinned(made), server, cache) == [made.name]
    assert server.requests == ["/simple/a/", f"/files/{made.name}"]
    # Without the file, it is fetched again.
    cache.download(sha256(made)).unlink()
    assert ensure(tmp_path, pinned(made), server, cache) == [made.name]


def test_an_address_in_the_file(root: Path, server: Registry, tmp_path: Path) -> None:
    made = wheel(root / "files", "a", "1.0", {"a.py": ""})
    text = f"a @ {server.url}/files/{made.name} --hash=sha256:{sha256(made)}\n"
    assert ensure(tmp_path, text, server, Cache(tmp_path / "cache")) == [made.name]


@pytest.mark.parametrize("form", ["{url}", "{url}?x=1#egg=a", "{url}#sha256=0", "{quoted}", "{file}"])
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_forms_of_addresses(form: str, kind: str, root: Path, server: Registry, tmp_path: Path) -> None:
    """Of several hashes, any may be the file's."""
    folder, cache = root / "files", Cache(tmp_path / "cache")
    made = wheel(folder, "a", "1.0+b", {"a.py": ""}) if kind == "wheel" else sdist(folder, "a", "1.0+b", {})
    address = f"{server.url}/files/{made.name}"
    text = form.format(url=address, quoted=address.replace("+", "%2B"), file=made.as_uri())
    text = f"a @ {text} --hash=sha256:{'0' * 64} --hash=sha256:{sha256(made)} --hash=sha512:{'f' * 128}\n"
    (found,) = python_packages.ensure(
        read(tmp_path, text), PYTHON, cache, KEYS, places=lambda: Places((), ())
    )
    assert (found.package, found.version, found.file) == ("a", "1.0+b", made.name)
    assert found.is_wheel == (kind == "wheel")
    assert found.place(cache).read_bytes() == made.read_bytes()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("b-1.0.tar.gz", "b-1.0.tar.gz is not the name of a wheel or source archive of a"),
        ("a.tar.gz", "is not the name"),
        ("a-1.0-py3-none-any.%2F..%2Fx.whl", "is not the name"),
        ("a-1.0-1%2F..%2Fx-py3-none-any.whl", "is not the name"),
        ("", "is not the name"),
        ("a-1.0-cp313-cp313-win_amd64.whl", "no wheel is for Python 3.13"),
        ("a-1.0-py3-none-any.whl", "no longer has a-1.0-py3-none-any.whl"),
    ],
)
def test_addresses_of_other_files(file: str, said: str, server: Registry, tmp_path: Path) -> None:
    hashes = f"--hash=sha256:{'0' * 64} --hash=sha256:{'1' * 64}"
    with pytest.raises(NotosError) as raised:
        ensure(tmp_path, f"a @ {server.url}/{file} {hashes}\n", server, Cache(tmp_path / "cache"))
    assert said in raised.value.message
    assert raised.value.keys == KEYS


def test_an_invalid_address(server: Registry, tmp_path: Path) -> None:
    pinned = read(tmp_path, f"a @ https://x.example/a-1.0.tar.gz --hash=sha256:{'0' * 64}\n")[0]
    invalid = pinned._replace(url="https://u:secret@[/a-1.0.tar.gz")
    with pytest.raises(NotosError, match=r"requirements\.txt:1: invalid address https://\[") as raised:
        places = Places((), ())
        python_packages.ensure([invalid], PYTHON, Cache(tmp_path), KEYS, places=lambda: places)
    assert raised.value.keys == KEYS


def test_a_missing_file_of_this_host(server: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotosError, match=r"requirements\.txt:1: cannot read /missing/a-1\.0\.tar\.gz"):
        text = f"a @ file:///missing/a-1.0.tar.gz --hash=sha256:{'0' * 64}\n"
        ensure(tmp_path, text, server, Cache(tmp_path / "cache"))


def test_an_index_without_hashes(root: Path, server: Registry, tmp_path: Path) -> None:
    """The file is compared with all hashes that are written down; only the best one is fetched."""
    files = [wheel(root / "files", "a", "1.0", {"a.py": tag}, tag=tag) for tag in TAGS]
    index(root, files, digests=False)
    text = f"a==1.0 {' '.join(f'--hash=sha256:{sha256(each)}' for each in files)}\n"
    cache = Cache(tmp_path / "cache")
    assert ensure(tmp_path, text, server, cache) == [files[0].name]
    assert server.requests == ["/simple/a/", f"/files/{files[0].name}"]
    # If the best one has no hash there, the next one counts.
    text = f"a==1.0 {' '.join(f'--hash=sha256:{sha256(each)}' for each in files[1:])}\n"
    assert ensure(tmp_path, text, server, cache) == [files[1].name]
    text = f"a==1.0 --hash=sha256:{'0' * 64} --hash=sha256:{'1' * 64}\n"
    with pytest.raises(NotosError, match="no file has one of the hashes"):
        ensure(tmp_path, text, server, cache)


def test_a_choice_does_not_depend_on_the_day(root: Path, server: Registry, tmp_path: Path) -> None:
    """A source archive is no substitute for a wheel that the index lacks today."""
    best = wheel(root / "files", "a", "1.0", {"a.py": ""})
    archive = sdist(root / "files", "a", "1.0", {})
    text = f"a==1.0 --hash=sha256:{sha256(best)} --hash=sha256:{sha256(archive)} --hash=sha512:{'0' * 128}\n"
    index(root, [archive])
    with pytest.raises(NotosError, match=f"only a source archive fits, .*sha256:{sha256(best)}, which may"):
        ensure(tmp_path, text, server, Cache(tmp_path / "cache"))
    index(root, [best, archive])
    assert ensure(tmp_path, text, server, Cache(tmp_path / "cache")) == [best.name]
    text = f"a==1.0 --hash=sha256:{sha256(archive)}\n"
    assert ensure(tmp_path, text, server, Cache(tmp_path / "cache")) == [archive.name]


def test_a_folder_of_wheels(root: Path, tmp_path: Path) -> None:
    made = wheel(root, "a", "1.0", {"a.py": ""})
    cache = Cache(tmp_path / "cache")
    where = Places((), (str(root),))
    found = python_packages.ensure(read(tmp_path, pinned(made)), PYTHON, cache, KEYS, places=lambda: where)
    assert found[0].place(cache).read_bytes() == made.read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("none==1 --hash=sha256:" + "a" * 64, r"none==1: no index has this package"),
        ("a==2 --hash=sha256:" + "a" * 64, r"a==2: no index has this version"),
        ("a==1.0 --hash=sha256:" + "a" * 64, r"a==1\.0: no file has one of the hashes .*a-1\.0-cp313"),
        ("@win@", r"no wheel is for Python 3\.13 on x86_64; those with a hash are for cp313-cp313-win_amd64"),
    ],
)
def test_errors_have_the_line_of_the_file(
    text: str, said: str, root: Path, server: Registry, tmp_path: Path
) -> None:
    made = wheel(root / "files", "a", "1.0", {"a.py": ""}, tag="cp313-cp313-win_amd64")
    index(root, [made])
    with pytest.raises(NotosError, match=rf"requirements\.txt:1: .*{said}") as raised:
        ensure(tmp_path, text.replace("@win@", pinned(made)), server, Cache(tmp_path / "cache"))
    assert raised.value.keys == KEYS


def test_a_file_with_other_bytes_than_its_hash(root: Path, server: Registry, tmp_path: Path) -> None:
    made = wheel(root / "files", "a", "1.0", {"a.py": ""})
    index(root, [made])
    text = pinned(made)
    made.write_bytes(made.read_bytes() + b"x")
    with pytest.raises(FetchError, match="has a wrong sha256"):
        ensure(tmp_path, text, server, Cache(tmp_path / "cache"))


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    text = "".join(f"{name}==1 --hash=sha256:{'a' * 64}\n" for name in "abc")
    with pytest.raises(FetchError, match=r"cannot reach 127\.0\.0\.1:1") as raised:
        ensure(tmp_path, text, Registry("http://127.0.0.1:1"), Cache(tmp_path / "cache"))
    assert not raised.value.parts, "one error for all packages"
