"""Fragments, their resolution, and explanations, with a small Kconfig that has every kind of reason."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.architecture import AMD64
from notos.errors import KernelError
from notos.kernel import kconfig
from notos.kernel.kconfig import Request

KCONFIG = """\
mainmenu "test"
compiler := $(shell,$(CC) --version)
$(error-if,$(success,true),no compiler)
config MODULES
	bool "modules"
	modules
config NET
	bool "net"
config BLOCK
	bool "block"
	default $(shell,echo y)
config EXT4_FS
	tristate "ext4"
	depends on BLOCK && NET
config OLD
	bool
	transitional
config HIDDEN
	bool
config DRIVER
	tristate "driver"
	select HIDDEN
config EXPERT
	bool "expert"
config TUNED
	bool "tuned" if EXPERT
	default y
config CPUS
	int "processors"
	range 2 64
	default 8
config NAME
	string "name"
choice
	prompt "one of"
	default ONE
config ONE
	bool "one"
config TWO
	bool "two"
endchoice
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "Kconfig").write_text(KCONFIG)
    return tmp_path


SYMBOLS = st.from_regex(r"[A-Z0-9_]{1,12}", fullmatch=True)
VALUES = st.one_of(
    st.sampled_from(["y", "m", "n"]),
    st.integers(-(2**31), 2**64).map(str),
    st.integers(0, 2**64).map(hex),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"])).map(
        lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    ),
)


@given(st.dictionaries(SYMBOLS, VALUES))
def test_written_requests_are_read_back(values: dict[str, str]) -> None:
    requests = [Request(name, value, f"f:{number}") for number, (name, value) in enumerate(values.items(), 1)]
    text = "".join(f"{each}\n" for each in requests)
    assert kconfig.fragment(text, "f") == requests
    assert kconfig.symbols(text) == {name: value for name, value in values.items() if value != "n"}
    assert kconfig.unmet(requests, kconfig.symbols(text)) == []


@given(st.text())
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        kconfig.fragment(text, "f")
    except KernelError as error:
        assert all(line.startswith("f:") for line in error.message.splitlines())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("CONFIG_X = y", "f:2: 'CONFIG_X = y' is not a line of a configuration; remove the spaces around ="),
        ("CONFIG_X= y z", 'f:2: CONFIG_X cannot be y z: y, m, n, a number or "text"'),
        ("CONFIG_X=", "f:2: CONFIG_X cannot be empty"),
        ("CONFIG_X=yes", "f:2: CONFIG_X cannot be yes"),
        ('CONFIG_X="a', 'f:2: CONFIG_X cannot be "a'),
        ("EXT4_FS=y", "f:2: 'EXT4_FS=y' is not a line of a configuration; write CONFIG_EXT4_FS=…"),
        (
            "CONFIG_X is not set",
            "f:2: 'CONFIG_X is not set' is not a line of a configuration; write # before it",
        ),
        ("hello", "write CONFIG_NAME=value, or # before a comment"),
    ],
)
def test_an_invalid_line(line: str, message: str) -> None:
    with pytest.raises(KernelError) as caught:
        kconfig.fragment(f"# a comment\n{line}\nCONFIG_Y=y\n", "f")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("y", "CONFIG_X=y"),
        ("n", "# CONFIG_X is not set"),
        (64, "CONFIG_X=64"),
        ("0x1000", "CONFIG_X=0x1000"),
        ("-notos", 'CONFIG_X="-notos"'),
        ("64", 'CONFIG_X="64"'),
        ('a "b" \\', 'CONFIG_X="a \\"b\\" \\\\"'),
        ("", 'CONFIG_X=""'),
    ],
)
def test_an_option_of_the_config(value: str | int, line: str) -> None:
    assert str(kconfig.option("X", value, "c:1")) == line


def test_the_last_request_counts() -> None:
    requests = [Request("A", "y", "1"), Request("B", "m", "2"), Request("A", "n", "3")]
    assert kconfig.unmet(requests, {"B": "m"}) == []
    assert kconfig.unmet(requests, {"A": "y"}) == [Request("A", "n", "3"), Request("B", "m", "2")]


def test_numbers_and_empty_texts_are_compared_by_value() -> None:
    requests = [Request("A", "0x10", ""), Request("B", '""', "")]
    assert kconfig.unmet(requests, {"A": "16"}) == []


RESOLVED = {"BLOCK": "y", "TUNED": "y", "CPUS": "8", "ONE": "y", "DRIVER": "m", "HIDDEN": "y", "NAME": '"x"'}


@pytest.mark.parametrize(
    ("symbol", "value", "reason"),
    [
        ("EXT5_FS", "y", "this kernel has no such symbol; did you mean EXT4_FS?"),
        ("ZZZ", "y", "this kernel has no such symbol"),
        ("EXT4_FS", "y", "it depends on NET, which is n"),
        ("EXT4_FS", "7", "it is a symbol of type tristate, which takes y, n or m"),
        ("NET", "m", "it cannot be a module, only y or n"),
        ("HIDDEN", "n", "it is selected by DRIVER"),
        ("OLD", "y", "it has no prompt: its value is its default"),
        ("TUNED", "n", "Kconfig does not say why"),
        ("CPUS", "100", "it is a number from 2 to 64"),
        ("NAME", "y", "it is a symbol of type string"),
        ("TWO", "y", "it is a member of a choice of which ONE is set"),
        ("ONE", "n", "it is the default of a choice of which no other member is set"),
    ],
)
def test_explanation_of_an_unmet_request(source: Path, symbol: str, value: str, reason: str) -> None:
    message = kconfig.Explainer(source, RESOLVED, AMD64)(Request(symbol, value, "f.config:3"))
    got = RESOLVED.get(symbol, "n")
    assert message.startswith(f"f.config:3: CONFIG_{symbol}={value} was requested, but it is {got}: ")
    assert reason in message


def test_a_prompt_with_an_unmet_condition(source: Path) -> None:
    message = kconfig.Explainer(source, {}, AMD64)(Request("TUNED", "y", "f:1"))
    assert message.endswith("its prompt depends on EXPERT, which is n")


def test_an_unmet_requirement_says_what_needs_it(source: Path) -> None:
    error = kconfig.explained([Request("NET", "y", "", "for libc")], source, {}, AMD64, hint="do this")
    assert str(error) == "CONFIG_NET=y is needed for libc, but it is n: nothing turns it on: do this"


def test_each_problem_is_an_error_with_its_keys(source: Path) -> None:
    """The place of a key is left to the config's line, so it is in no message twice."""
    key = ("kernel", "options", "NO")
    problems = [Request("NO", "y", "c.yaml:3", keys=key), Request("NET", "y", "f.config:2")]
    error = kconfig.explained(problems, source, {}, AMD64, hint="do this")
    one, two = error.parts
    assert (one.keys, one.hint) == (key, "")
    assert one.message.startswith("CONFIG_NO=y was requested, but it is n: this kernel has no such symbol")
    assert (two.keys, two.hint) == ((), "do this")
    assert two.message.startswith("f.config:2: CONFIG_NET=y was requested")


def test_all_invalid_lines_up_to_a_number() -> None:
    with pytest.raises(KernelError) as caught:
        kconfig.fragment("wrong\n" * 20, "f")
    assert [each.message.partition(" ")[0] for each in caught.value.parts] == [
        *(f"f:{number}:" for number in range(1, 13)),
        "…",
    ]
    assert caught.value.parts[-1].message == "… and 8 more"


def test_the_environment_is_restored(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("CC", "mine")
    before = dict(os.environ)
    kconfig.Explainer(source, {}, AMD64)
    assert dict(os.environ) == before


def test_unreadable_kconfig_files(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"the Kconfig files of .* cannot be read"):
        kconfig.Explainer(tmp_path, {}, AMD64)


def test_changes_of_a_menu_become_a_fragment() -> None:
    before = 'CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_N="x"\nCONFIG_S=y\n'
    had = {"A": "y", "B": "m", "N": '"x"', "S": "y"}
    after = "CONFIG_A=y\nCONFIG_B=y\nCONFIG_D=y\n"
    has = {"A": "y", "B": "y", "C": "y", "D": "y", "N": '"y"', "S": "y"}  # S is selected by D
    lines = kconfig.changes(before, after, had, has)
    assert lines == ["CONFIG_B=y", "CONFIG_C=y", "CONFIG_D=y", 'CONFIG_N="y"']
    mine = "# mine\nCONFIG_A=y\n# CONFIG_B is not set\n"
    assert kconfig.replaced(mine, lines) == "# mine\nCONFIG_A=y\n" + "".join(f"{each}\n" for each in lines)
