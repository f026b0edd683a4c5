"""The fast reader of stanzas, judged by python-debian; and paragraphs."""

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


def test_paragraphs_of_a_sources_file() -> None:
    text = "# by the installer\nTypes: deb\nURIs: http://mirror.example/debian\nSigned-By:\n one\n .\n two\n"
    text += "\n\ntypes: deb-src\n"
    first, second = deb822.paragraphs(text)
    assert first["uris"] == "http://mirror.example/debian"
    assert first["Signed-By"].split() == ["one", ".", "two"]
    assert second["Types"] == "deb-src"
