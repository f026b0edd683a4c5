"""The fast reader of stanzas, judged by python-debian; and paragraphs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.debian import deb822

VALUE = st.text("aZ09 ,|()<>=.:~+#-é", max_size=30)
NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True)
FIELDS = st.dictionaries(NAME, st.tuples(VALUE, st.lists(VALUE.filter(str.strip), max_size=2)), min_size=1)


@given(FIELDS)
def test_stanza_agrees_with_python_debian(fields: dict[str, tuple[str, list[str]]]) -> None:
    fields = {name: fields[name] for name in {each.lower(): each for each in fields}.values()}
    text = "".join(
        f"{name}: {value}\n" + "".join(f" {more}\n" for more in folded)
        for name, (value, folded) in fields.items()
    )
    (theirs,) = deb822.paragraphs(text)
    assert {name: value.split() for name, value in deb822.stanza(text).items()} == {
        name: value.split() for name, value in theirs.items()
    }


@pytest.mark.parametrize(
    "text",
    [
        "Package: a\nDepends: b,\n c,\n\td (>= 1)\n .\nVersion: 1",
        "Package:a\nDepends:\n b\n , c\t \nVersion:   1  ",
        "Package: a\nDepends: b,\n# a comment\n c\n#another\nVersion: 1",
        "Package: a\r\nDepends: b,\r\n c\r\nVersion: 1\r",
        "Package: a\nDescription: x: y\n http://mirror.example/\nVersion: 1",
        "no field\n of this line\nPackage: a\nVersion: 1",
    ],
)
def test_folds_blanks_and_comments(text: str) -> None:
    (theirs,) = deb822.paragraphs(text)
    assert {name: value.split() for name, value in deb822.stanza(text).items()} == {
        name: value.split() for name, value in theirs.items()
    }


def test_names_of_known_fields_are_written_alike() -> None:
    assert deb822.stanza("PACKAGE: a\npre-depends : b\nsha256: 1\nx-Own: c") == {
        "Package": "a",
        "Pre-Depends": "b",
        "SHA256": "1",
        "x-Own": "c",
    }


def test_paragraphs_of_a_sources_file() -> None:
    text = "# by the installer\nTypes: deb\nURIs: http://mirror.example/debian\nSigned-By:\n one\n .\n two\n"
    text += "\n\ntypes: deb-src\n"
    first, second = deb822.paragraphs(text)
    assert first["uris"] == "http://mirror.example/debian"
    assert first["Signed-By"].split() == ["one", ".", "two"]
    assert second["Types"] == "deb-src"
