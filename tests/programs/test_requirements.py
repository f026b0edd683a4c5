"""Requirements files: what pip accepts, pinned; pip itself is a judge of the lines."""

from pathlib import Path

import pytest
from packaging.version import Version

from notos import architecture
from notos.errors import NotosError
from notos.programs import requirements
from notos.programs.requirements import Digest, Requirements
from notos.programs.wheels import Python, environment

KEYS = ("build", "app")
PYTHON = Python("3.13.5", 41, architecture.host())
A, B = "a" * 64, "b" * 64


def read(folder: Path, text: str) -> Requirements:
    path = folder / "requirements.txt"
    path.write_text(text)
    return requirements.read(path, environment(PYTHON), KEYS)


def test_the_forms_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/base.txt").write_text(f"base==1 --hash=sha256:{A}\n")
    found = read(
        tmp_path,
        f"""# a comment
--index-url https://user:${{TOKEN}}@index.example/simple
--extra-index-url=https://other.example/simple
-f wheels
--require-hashes
-r more/base.txt
Flask_Thing[async] == 3.1.0 ; python_version >= "3.9" \\
    --hash=sha256:{A} \\
    # via app
    --hash=sha256:{B.upper()}
windows==1 ; sys_platform == "win32" --hash=sha256:{A}
x @ https://files.example/x-2.0-py3-none-any.whl --hash=sha256:{A}  # the end
""".replace("    # via app\n", ""),
    )
    base, flask, direct = found.pinned
    assert (base.name, base.where) == ("base", f"{tmp_path}/more/base.txt:1")
    assert (flask.name, flask.version) == ("flask-thing", Version("3.1.0"))
    assert flask.digests == {Digest("sha256", A), Digest("sha256", B)}
    assert flask.where == f"{tmp_path}/requirements.txt:7"
    assert (direct.version, direct.url) == (None, "https://files.example/x-2.0-py3-none-any.whl")
    assert found.index == "https://user:secret@index.example/simple"
    assert found.more_indexes == ("https://other.example/simple",)
    assert found.links == (str(tmp_path / "wheels"),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("flask", "flask has no exact version"),
        ("flask>=1 --hash=sha256:" + A, "flask has no exact version"),
        ("flask==1.* --hash=sha256:" + A, "flask has no exact version"),
        ("flask==1", "flask has no hash"),
        ("flask==1 --hash=md5:" + "a" * 32, "flask has no hash"),
        ("foo===weird_x --hash=sha256:" + A, "Invalid version: 'weird_x'"),
        ("foo==1 ; os_name ~= 'x' --hash=sha256:" + A, "Undefined"),
        ("foo==1 --hash=sha256:", "Expected"),
        ("foo==1 --hash=sha256:aa", "foo has an invalid hash"),
        ("foo==1 --hash=sha512:" + A, "foo has an invalid hash"),
        ("foo @ --hash=sha256:" + A, "Expected"),
        ("-r \0", "is not a file"),
        ("-e .", "-e is not supported"),
        ("-c other.txt", "-c is not supported"),
        ("./local", "is a path"),
        ("a b c", "Expected"),
        ("-r requirements.txt", "includes itself"),
        ("-r missing.txt", "is not a file"),
        (f"a==1 --hash=sha256:{A}\nA==2 --hash=sha256:{A}", "a is also at"),
    ],
)
def test_what_is_not_pinned_is_an_error_with_its_line(line: str, said: str, tmp_path: Path) -> None:
    number = 2 + line.count("\n")
    with pytest.raises(NotosError) as raised:
        read(tmp_path, f"\n{line}\n")
    assert raised.value.message.startswith(f"{tmp_path}/requirements.txt:{number}: ")
    assert said in raised.value.message
    assert raised.value.keys == KEYS


def test_all_errors_are_shown_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotosError) as raised:
        read(tmp_path, "a\nb\n")
    assert len(raised.value.parts) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-r ../common.txt", "is outside of"),
        ("-r @tmp@/common.txt", "is outside of"),
        ("-r linked.txt", "is outside of"),
        ("-r folder/common.txt", "is outside of"),
        ("-r hidden/base.txt", "is excluded"),
        ("-r node_modules/base.txt", "is excluded"),
        ("-r to-hidden.txt", "is excluded"),
        ("-r more.txt", "is outside of"),
    ],
)
def test_files_that_are_no_inputs_are_not_included(line: str, said: str, tmp_path: Path) -> None:
    """A change of such a file would not build the program again."""
    app = tmp_path / "app"
    for name in ("common.txt", "app/hidden/base.txt", "app/node_modules/base.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(f"base==1 --hash=sha256:{A}\n")
    (app / "linked.txt").symlink_to("../common.txt")
    (app / "folder").symlink_to("..")
    (app / "to-hidden.txt").symlink_to("hidden/base.txt")
    (app / "more.txt").write_text("-r ../common.txt\n")
    path = app / "requirements.txt"
    path.write_text(f"{line.replace('@tmp@', str(tmp_path))}\n")
    with pytest.raises(NotosError, match=said) as raised:
        requirements.read(path, environment(PYTHON), KEYS, ("/hidden",))
    assert raised.value.message.startswith(str(app))
    assert ".txt:1: " in raised.value.message
    assert raised.value.hint.startswith("copy it into the source")
    assert raised.value.keys == KEYS


def test_the_requirements_file_itself_counts(tmp_path: Path) -> None:
    path = tmp_path / "app/requirements.txt"
    path.parent.mkdir()
    (tmp_path / "common.txt").write_text("")
    path.symlink_to("../common.txt")
    with pytest.raises(NotosError, match="is outside of"):
        requirements.read(path, environment(PYTHON), KEYS)
    path.unlink()
    path.write_text("")
    with pytest.raises(NotosError, match="is excluded"):
        requirements.read(path, environment(PYTHON), KEYS, ("requirements.txt",))


@pytest.mark.parametrize(
    "line",
    [
        "--proxy=https://u:secret@h",
        "-ihttps://u:secret@h/simple",
        "-r https://u:secret@h/x.txt",
        "./a//u:secret@h",
    ],
)
def test_passwords_of_addresses_are_not_shown(line: str, tmp_path: Path) -> None:
    with pytest.raises(NotosError) as raised:
        read(tmp_path, f"{line}\n")
    assert "secret" not in raised.value.message


def test_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"\xff\n")
    with pytest.raises(NotosError, match="is not in UTF-8") as raised:
        requirements.read(tmp_path / "requirements.txt", environment(PYTHON), KEYS)
    assert raised.value.keys == KEYS
