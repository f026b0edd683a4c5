"""YAML nodes with their places, problems shown at their line, and refused YAML."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from notos.config import composer, yaml_source
from notos.config.yaml_source import MappingNode, Node, Place, Problem, ScalarNode, SequenceNode, Source

LOADERS = [yaml.SafeLoader] + ([yaml.CSafeLoader] if hasattr(yaml, "CSafeLoader") else [])


@pytest.fixture(params=LOADERS, ids=lambda loader: loader.__name__)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test with libyaml's parser and with the Python one."""
    monkeypatch.setattr(composer, "_LOADER", request.param)


def compose(text: str) -> tuple[Node | None, list[Problem]]:
    problems: list[Problem] = []
    try:
        node = composer.compose(Source(Path("c.yaml"), text), problems)
    except Problem as problem:
        return None, [*problems, problem]
    return node, problems


def plain(node: Node | None) -> object:
    """Return the node as text, lists and dicts."""
    match node:
        case MappingNode():
            return {key: plain(item.value) for key, item in node.items.items()}
        case SequenceNode():
            return [plain(each) for each in node.items]
        case ScalarNode():
            return node.text
    return None


@pytest.mark.usefixtures("loader")
def test_nodes_know_their_places() -> None:
    node, problems = compose("# a comment\na:\n  - b\n  - 'no': {c: 1.10}\n")
    assert problems == []
    assert plain(node) == {"a": ["b", {"no": {"c": "1.10"}}]}
    assert isinstance(node, MappingNode)
    inner = node.items["a"].value
    assert isinstance(inner, SequenceNode)
    place = yaml_source.place_of(inner.items[1], "no", "c")
    assert (place.line, place.column, place.length) == (3, 14, 4)
    key = yaml_source.key_place(inner.items[1], "no", "c")
    assert (key.line, key.column, key.length) == (3, 11, 1)
    assert yaml_source.place_of(node, "z", "y") == node.place


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("no", "a boolean"),
        ("On", "a boolean"),
        ("0644", "a number"),
        ("22:22", "a number"),
        ("1.10", "a number"),
        ("1e3", ""),
        ("~", "nothing"),
        ("null", "nothing"),
        ("2024-01-01", "a date"),
        ("=", "not text"),
        ("10.0.2.3", ""),
        ("none", ""),
        ("'no'", ""),
        ('"1.10"', ""),
    ],
)
def test_meaning_is_the_type_in_yaml(text: str, meaning: str) -> None:
    node, _ = compose(text)
    assert isinstance(node, ScalarNode)
    assert node.meaning == meaning


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    "text", ["", "\n\n", "# only a comment\n", "---\n", "\ufeff".encode().decode("utf-8-sig")]
)
def test_empty(text: str) -> None:
    assert compose(text) == (None, [])


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 'duplicate key "a"; the first is on line 1'),
        ("a: &x 1\n", 1, "anchors"),
        ("a: *x\n", 1, "aliases"),
        ("a: !!str 1\n", 1, "tags"),
        ("a: !x [b]\n", 1, "tags"),
        ("<<: {a: 1}\n", 1, "merge keys"),
        ("? [a]\n: b\n", 1, "a key must be a word"),
        ("a:\n\tb: 1\n", 2, "a tab cannot indent YAML"),
        ("\ta: 1\n", 1, "a tab cannot indent YAML"),
        ("a: 1\n---\nb: 2\n", 2, "one document"),
        ("a: b: c\n", 1, "not YAML: mapping values are not allowed"),
        ('a: "\\0"\n', 1, "a zero byte"),
        ("x: 1\na: \x07\n", 2, "control character U+0007"),
        ("[" * 100_000, 1, "nested too deeply"),
        ("- " * 100_000, 1, "nested too deeply"),
        ("{a: " * 100, 1, "nested too deeply"),
        ("@a\n", 1, "not YAML"),
    ],
)
def test_refused(text: str, line: int, says: str) -> None:
    _, problems = compose(text)
    assert len(problems) == 1
    assert says in problems[0].message
    assert problems[0].render().startswith(f"c.yaml:{line}: ")


# Invalid text, the place of the mistake (line and column counted from 1), and a part of the message.
MISTAKES = [
    ("a: 'x\n", 1, 4, "the ' that opens here has no closing '; the text runs on to line 1"),
    ("a: 'x\nb: c\n---\nd: e\n", 1, 4, "the ' that opens here has no closing '"),
    ('a: "x\nb: y\n', 1, 4, 'the " that opens here has no closing "; the text runs on to line 2'),
    ("name: 'x\nhostname: 'y'\n", 1, 7, "the ' that opens here is closed on line 2 only"),
    ("a: {text: 'it's nice'}\n", 1, 15, "inside '…' write '' for '"),
    ("a: 'b' c\n", 1, 8, "the text in quotes ends before this"),
    ("a: [b\nc: d\n", 1, 4, "the [ that opens here has no ] before line 2"),
    ("a: [b, c\n", 1, 4, "the [ that opens here has no ]; the file ends on line 1"),
    ("a: [b, c\n\n# end\n", 1, 4, "the file ends on line 3"),
    ("x: y\na: [\n", 2, 4, "the [ that opens here has no ]; the file ends on line 2"),
    ("a: [b,\n", 1, 4, "the [ that opens here has no ]; the file ends on line 1"),
    ("a: ['b', [c], \n", 1, 4, "the [ that opens here has no ]; the file ends on line 1"),
    ("a: {\n", 1, 4, "the { that opens here has no }; the file ends on line 1"),
    ("a: {b: [c],\n\n# end\n", 1, 4, "the { that opens here has no }; the file ends on line 3"),
    ("a: {b:\n", 1, 4, "the { that opens here has no }; the file ends on line 1"),
    ("a:\n  - {b: [c,\n      d,\n", 2, 9, "the [ that opens here has no ]; the file ends on line 3"),
    ("a: [b, {c:", 1, 8, "the { that opens here has no }; the file ends on line 1"),
    ("a:\n  b: |\n  c\nd: e\n", 3, 3, "this line is neither a key nor indented below one"),
    ("a: b\nname x\n", 2, 1, "this line is neither a key nor indented below one"),
    ("a: {b: c\nd: e\n", 1, 4, "the { that opens here has no } before line 2"),
    ("a: {f: {2222: 22}\nb: c\n", 1, 4, "the { that opens here has no }"),
    ("x:\n  - [a, b\n  - c\ny: z\n", 2, 5, "the [ that opens here has no ] before line 4"),
    ("a: [x}\n", 1, 4, "the [ that opens here is closed by } and not by ]"),
    ("a: [b, {c: d]\n", 1, 8, "the { that opens here is closed by ] and not by }"),
    ("a:b\nc: d\n", 1, 1, "this line has no key; write a space after the colon"),
    ("a b\nc: d\n", 1, 1, "this line has no key; a key ends in a colon"),
    ("a: b: c\n", 1, 5, "mapping values are not allowed in this context; put a text with a colon"),
    ("a: b\n   c: d\n", 2, 5, "the line above has a value already"),
    ("a: - b\n", 1, 4, "a list must begin on the line below its key"),
    ("a:\n  b: c\n d: e\n", 3, 2, "this does not continue the block that begins on line 1"),
    ("a: @x\n", 1, 4, "a value cannot begin with @; put it in quotes"),
    ("a: `x`\n", 1, 4, "a value cannot begin with `"),
    ("a: *\n", 1, 4, "a value cannot begin with *"),
    ("a: [b,,c]\n", 1, 7, "a value is missing before ,"),
]


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("text", "line", "column", "says"), MISTAKES, ids=[text for text, *_ in MISTAKES])
def test_a_mistake_is_shown_at_its_place(text: str, line: int, column: int, says: str) -> None:
    _, (problem,) = compose(text)
    assert problem.message.startswith("this is not YAML: ")
    assert says in problem.message
    assert (problem.place.line + 1, problem.place.column + 1) == (line, column)
    head, _, caret = problem.render().split("\n")
    assert head.startswith(f"c.yaml:{line}: ")
    assert caret.index("^") == 2 + column - 1


@pytest.mark.usefixtures("loader")
def test_a_backslash_in_double_quotes() -> None:
    _, (problem,) = compose('a: "C:\\dir"\n')
    assert problem.place.line == 0
    assert "in double quotes write \\ twice" in problem.message


def test_half_a_surrogate_pair_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composer, "_LOADER", yaml.SafeLoader)
    assert "half a surrogate pair" in compose('a: "\\ud800"\n')[1][0].message


@pytest.mark.usefixtures("loader")
def test_reading_continues_after_recoverable_mistakes() -> None:
    node, problems = compose("a: &x 1\nb: *x\nc: !t 2\nd: 3\nd: 4\n")
    assert plain(node) == {"a": "1", "c": "2", "d": "3"}
    assert [problem.place.line for problem in problems] == [0, 1, 2, 4]


def test_billion_laughs_stay_small() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    node, problems = compose("\n".join(lines))
    assert len(problems) == 60 + 2 * 59
    assert plain(node) == {"a0": ["x", "x"]} | {f"a{n}": [] for n in range(1, 60)}


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(Problem) as caught:
        composer.compose(yaml_source.read(path), [])
    assert caught.value.render() == f"{path}:2: byte 0xe9 is not UTF-8 text\n  b: caf\n        ^"


def test_read_accepts_regular_files_only(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"#" * (1 << 20) + b"\n")
    for path, says in [
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file"),
        (Path("/dev/null"), "Not a regular file"),
        (tmp_path / "big", "Larger"),
    ]:
        with pytest.raises(OSError, match=says):
            yaml_source.read(path)


def problem_at(text: str, column: int, length: int) -> list[str]:
    place = Place(Source(Path("c.yaml"), text), 0, column, length)
    return Problem("wrong", place).render().split("\n")


def test_the_caret_is_below_the_mistake() -> None:
    assert problem_at("vm: {memmory: 1}", 5, 7) == [
        "c.yaml:1: wrong",
        "  vm: {memmory: 1}",
        "       ^^^^^^^",
    ]
    # a tab is shown as one space, a wide character takes two columns, a combining one none
    assert problem_at("a:\t日e\u0301: x", 8, 1)[2] == " " * 2 + " " * 8 + "^"


def test_a_long_line_is_cut_around_the_caret() -> None:
    _, line, carets = problem_at("a" * 5000 + "HERE" + "b" * 5000, 5000, 4)
    assert len(line) <= 102
    start, end = carets.index("^"), len(carets)
    assert line[start:end] == "HERE"


def test_a_place_past_the_text_still_renders() -> None:
    place = Place(Source(Path("c.yaml"), "a"), 7, 3)
    assert Problem("wrong", place).render() == "c.yaml:8: wrong\n  \n  ^"


def test_merge() -> None:
    below, _ = compose("a: {x: 1, y: [1]}\nb: word\nc: [1]")
    above, _ = compose("a: {y: [2], z: 3}\nb: {m: 1}\nd: 4")
    assert below is not None and above is not None
    merged = yaml_source.merge(below, above)
    assert plain(merged) == {
        "a": {"x": "1", "y": ["1", "2"], "z": "3"},
        "b": {"m": "1"},
        "c": ["1"],
        "d": "4",
    }
    assert plain(below) == {"a": {"x": "1", "y": ["1"]}, "b": "word", "c": ["1"]}


values = st.recursive(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values, st.booleans())
def test_output_of_pyyaml_is_read_back(value: object, flow: bool) -> None:
    node, problems = compose(yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True))
    assert problems == []
    assert plain(node) == value


@given(st.text() | st.text("[]{}:,-?!&*#|>'\"%@` \n\tab01~", max_size=40))
def test_any_text_gives_a_node_or_problems(text: str) -> None:
    node, problems = compose(text)
    for problem in problems:
        assert problem.render().startswith("c.yaml:")
    assert node is None or isinstance(node, ScalarNode | SequenceNode | MappingNode)
