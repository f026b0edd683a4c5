"""The names of the user's .debs: read once, and again after each change of a file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from notos import loader
from notos.cache import Cache
from notos.debian import known_debs, local_debs
from notos.debian.known_debs import Known
from tests.signed_archive import Deb

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a config that names a .deb, whose name may be recorded at once."""
    monkeypatch.setattr(known_debs, "_SETTLED", -(10**12))
    monkeypatch.setenv("NOTOS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.deb").write_bytes(Deb("foo").build())
    path = tmp_path / "config.yaml"
    path.write_text("name: tiny\nsystem:\n  packages:\n  - deb: a.deb\n")
    return path


def names(config: Path) -> list[str]:
    return [each.name for each in loader.load(config).machine.system.packages if each.deb]


def test_a_deb_is_read_once(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(config) == ["foo"]
    with monkeypatch.context() as patched:
        patched.setattr(local_debs, "control", lambda path: pytest.fail(f"read {path} again"))
        assert names(config) == ["foo"]
    # Other bytes of the same size and with the same time of modification.
    path = config.with_name("a.deb")
    state = path.stat()
    with path.open("r+b") as stream:
        stream.write(Deb("bar").build().ljust(state.st_size, b"\n")[: state.st_size])
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert names(config) == ["bar"]
    # Another file in its place.
    new = config.with_name("new")
    new.write_bytes(Deb("baz").build())
    new.replace(path)
    assert names(config) == ["baz"]


def test_a_command_that_knows_all_debs_imports_no_reader_of_them(config: Path) -> None:
    names(config)
    run = (
        "import sys; from pathlib import Path; from notos import loader; loader.load(Path(sys.argv[1]));"
        "print([each for each in ('notos.debian.deb', 'notos.debian.download') if each in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", run, str(config)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_file_that_has_just_changed_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another change at once may leave the same times."""
    monkeypatch.setattr(known_debs, "_SETTLED", 10**15)
    path, cache = tmp_path / "a.deb", Cache(tmp_path / "cache")
    path.write_bytes(b"")
    assert known_debs.known(path, cache, lambda _: Known("foo", "1", "all")) == ("foo", "1", "all")
    assert known_debs.known(path, cache, lambda _: Known("bar", "1", "all")) == ("bar", "1", "all")


def test_a_cache_that_is_damaged_or_not_writable(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(config) == ["foo"]
    (record,) = (config.parent / "cache/debs").glob("*/*")
    for damage in (b"", b"foo 1", b"\xff", b"a b c d"):
        record.write_bytes(damage)
        assert names(config) == ["foo"]
    (config.parent / "file").touch()
    monkeypatch.setenv("NOTOS_CACHE", str(config.parent / "file/cache"))
    assert names(config) == ["foo"]
