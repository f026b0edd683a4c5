"""Extensions: where they are found, their settings, and every mistake at its line of the config."""

import re
from pathlib import Path

import pytest

from notos import loader
from notos.config.model import Machine
from notos.errors import ConfigError
from notos.features import registry
from notos.features.model import Features
from notos.outputs import registry as outputs

HEAD = """\
from dataclasses import dataclass
from notos.config.model import Package, setting
from notos.features.model import Computed, Copy, EtcFile, Feature, Script, Service, Text
from notos.outputs.model import Output
"""
SETTINGS = f"""{HEAD}
@dataclass(frozen=True)
class Settings:
    seconds: int = setting("how long", 30, minimum=2)
    names: tuple[str, ...] = setting("who", ())

def feature(machine, settings):
    return Feature(etc=(EtcFile(path="dog", content=Text(f"{{settings.seconds}} {{settings.names}}")),))
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty project as the current folder, so that messages are short."""
    monkeypatch.chdir(tmp_path)
    Path("extensions").mkdir()
    return tmp_path


def write(code: str, path: str = "extensions/dog.py") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(code)


def load(text: str = "extensions:\n  dog:\n", path: str = "c.yaml") -> Machine:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(f"name: x\n{text}")
    return loader.load(Path(path)).machine


def problems(text: str = "extensions:\n  dog:\n") -> list[str]:
    """Return the first line of each problem, which has a line of the config and an excerpt."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    lines = str(caught.value).split("\n")
    assert len(lines) % 3 == 0, lines
    return lines[::3]


def dog(machine: Machine) -> str:
    """Return the text of /etc/dog."""
    features: Features = registry.features(machine)
    (content,) = [each.content for each in features.etc if each.path == "dog"]
    text: str = content.text  # type: ignore[union-attr]
    return text


# Where it is, and its settings


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ("", "30 ()"),
        (" null", "30 ()"),
        (" ~", "30 ()"),
        (" {}", "30 ()"),
        (" {seconds: 5}", "5 ()"),
        (" {names: [a, b]}", "30 ('a', 'b')"),
    ],
)
@pytest.mark.parametrize("path", ["extensions/dog.py", "extensions/dog/__init__.py"])
def test_settings(path: str, settings: str, text: str) -> None:
    write(SETTINGS, path)
    assert dog(load(f"extensions:\n  dog:{settings}\n")) == text


def test_an_edit_counts_at_once_and_no_compiled_code_is_left(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that keeps the size and the time of the file."""
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    for number in range(10, 20):
        write(
            f"{HEAD}from .text import TEXT\ndef feature(m, s): return Feature(etc=(TEXT,))\n",
            "extensions/dog/__init__.py",
        )
        write(f"{HEAD}TEXT = EtcFile(path='dog', content=Text('{number}'))\n", "extensions/dog/text.py")
        assert dog(load()) == str(number)
    assert not list(project.rglob("*.pyc"))


def test_layers_of_configs() -> None:
    """It is beside the config that names it; its settings are laid on each other, lists append."""
    write(SETTINGS, "base/extensions/dog.py")
    load("extensions:\n  dog: {seconds: 9, names: [a]}\n", "base/c.yaml")
    assert dog(load("imports: [base/c.yaml]\n")) == "9 ('a',)"
    assert dog(load("imports: [base/c.yaml]\nextensions:\n  dog:\n")) == "9 ('a',)"
    assert (
        dog(load("imports: [base/c.yaml]\nextensions: {dog: {seconds: 8, names: [b]}}\n")) == "8 ('a', 'b')"
    )
    write(SETTINGS.replace('f"', 'f"outer '))
    assert dog(load("imports: [base/c.yaml]\nextensions:\n  dog:\n")) == "outer 9 ('a',)"
    assert dog(load("imports: [base/c.yaml]\n")) == "9 ('a',)"
    # One that only the outer config names may be beside an imported one: tests lay their overrides so.
    write(SETTINGS.replace("dog", "cat"), "base/extensions/cat.py")
    features = registry.features(load("imports: [base/c.yaml]\nextensions: {cat: null}\n"))
    assert "cat" in {each.path for each in features.etc}


def test_two_projects_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    write(SETTINGS.replace('f"', 'f"one '), "one/extensions/dog.py")
    write(SETTINGS.replace('f"', 'f"two '), "two/extensions/dog.py")
    one = load("extensions:\n  dog:\n", "one/c.yaml")
    two = load("extensions:\n  dog:\n", "two/c.yaml")
    assert (dog(one), dog(two)) == ("one 30 ()", "two 30 ()")


def test_it_comes_after_features_and_before_the_config() -> None:
    write(SETTINGS)
    machine = load("extensions:\n  dog:\netc: {dog: {text: mine}}\n")
    contents = [each.content for each in registry.features(machine).etc if each.path == "dog"]
    assert contents[-1].text == "mine"  # type: ignore[union-attr]


# What is wrong with it


FEATURE = f"{HEAD}\ndef feature(machine, settings):\n    return "
MISTAKES = [
    # the file
    ("def feature(:\n", r"extensions/dog\.py:1: invalid syntax"),
    ("x = (\n", r"extensions/dog\.py:1: '\(' was never closed"),
    ("x = 'a\n", r"extensions/dog\.py:1: unterminated string"),
    ("import nothing_such\n", r"extensions/dog\.py:1: ModuleNotFoundError: No module named 'nothing_such'"),
    ("\n\n1 / 0\n", r"extensions/dog\.py:3: ZeroDivisionError: division by zero"),
    ("import sys\nsys.exit(3)\n", r"extensions/dog\.py:2: SystemExit: 3"),
    ("raise ValueError('a\\nb')\n", r"extensions/dog\.py:1: ValueError: a b$"),
    ("x = 1\n", r"extensions/dog\.py has no function feature: write def feature\(machine, settings\)"),
    ("feature = 1\n", r"extensions/dog\.py: feature is not a function"),
    ("outputs = []\n", r"extensions/dog\.py: outputs is not a function"),
    (f"{FEATURE}Feature()\nCHECKS = []\n", r"extensions/dog\.py: CHECKS is not a map"),
    # its settings
    (f"{FEATURE}Feature()\nclass Settings: pass\n", "Settings is not a frozen dataclass"),
    (
        f"{FEATURE}Feature()\n@dataclass\nclass Settings:\n    a: int = setting('a', 1)\n",
        "Settings is not a frozen",
    ),
    (
        f"{FEATURE}Feature()\n@dataclass(frozen=True)\nclass Settings:\n    a: int = 1\n",
        r"Settings\.a has no desc",
    ),
    (
        f"{FEATURE}Feature()\n@dataclass(frozen=True)\nclass Settings:\n    a: set = setting('a', None)\n",
        "Settings: unsupported annotation in a config: <class 'set'>",
    ),
    (
        f"{FEATURE}Feature()\n@dataclass(frozen=True)\nclass Settings:\n    a: int = setting('the a')\n",
        r"extensions\.dog\.a is missing: the a",
    ),
    (
        f"{FEATURE}Feature()\n@dataclass(frozen=True)\nclass Settings:\n    a: int = setting('the a', '3')\n",
        r"extensions/dog\.py: Settings: default of a is '3', and wants a whole number",
    ),
    ("x = '\0'\n", r"extensions/dog\.py.*null bytes"),
    # what it returns
    (f"{FEATURE}None\n", r"extensions/dog\.py: feature\(\) returns None: it must return a Feature"),
    (f"{FEATURE}[Feature()]\n", r"extensions/dog\.py: feature\(\) returns a list|returns \[Feature"),
    (
        f"{FEATURE}machine.nope\n",
        r"extensions/dog\.py:7: AttributeError: 'Machine' object has no attribute 'nope'",
    ),
    (f"{FEATURE}Feature(packages=('a',))\n", r"Feature\.packages\[0\] is 'a', and wants a Package"),
    (
        f"{FEATURE}Feature(services=Service(name='a'))\n",
        r"Feature\.services is a Service, and wants a tuple of",
    ),
    (
        f"{FEATURE}Feature(etc=(EtcFile(path='a', content=Computed(feature, {{'x': 1.5}})),))\n",
        r"extensions/dog\.py: 1\.5 has no plain form",
    ),
    (f"{FEATURE}Feature(packages=[])\n", r"Feature\.packages is \[\], and wants a tuple of a Package"),
    (f"{FEATURE}Feature(memory='1')\n", r"Feature\.memory is '1', and wants a whole number"),
    (f"{FEATURE}Feature(memory=True)\n", r"Feature\.memory is True, and wants a whole number"),
    (f"{FEATURE}Feature(accounts={{'a': 1}})\n", r"Feature\.accounts\['a'\] is 1, and wants a text"),
    (
        f"{FEATURE}Feature(etc=(EtcFile(path='a', content='x'),))\n",
        r"Feature\.etc\[0\]\.content is 'x', and wants a Text or a Copy or a Link or a Computed",
    ),
    (
        f"{FEATURE}Feature(etc=(EtcFile(path='a', content=Text(1)),))\n",
        r"Feature\.etc\[0\]\.content\.text is 1, and wants a text",
    ),
    (
        f"{FEATURE}Feature(etc=(EtcFile(path='a', content=Computed(lambda system: '', {{}})),))\n",
        "wants a function of a module, not a method or a lambda",
    ),
    (
        f"{FEATURE}Feature(etc=(EtcFile(path='/a', content=Text('')),))\n",
        'EtcFile.path wants a path .*; got "/a"',
    ),
    (
        f"{FEATURE}Feature(etc=(EtcFile(path='a', content=Text(''), mode='644'),))\n",
        "EtcFile.mode wants four octal",
    ),
    (f"{FEATURE}Feature(etc=(EtcFile(path='a', content=Copy('b')),))\n", "extensions/b does not exist"),
    (f"{FEATURE}Feature(scripts=(Script(path='80-a'),))\n", 'Script.path wants boot/NN-name; got "80-a"'),
    (f"{FEATURE}Feature(scripts=(Script(path='boot/80-a'),))\n", "extensions/boot/80-a does not exist"),
    (f"{FEATURE}Feature(services=(Service(name='a/b', run='x'),))\n", "Service.name wants a service's name"),
    (f"{FEATURE}Feature(services=(Service(name='a'),))\n", "the service a wants either folder or run"),
    (f"{FEATURE}Feature(services=(Service(name='a', folder='b'),))\n", "extensions/b does not exist"),
    (f"{FEATURE}Feature(kernel_params=('a b',))\n", "Feature.kernel_params wants a kernel parameter"),
    (f"{FEATURE}Feature(packages=(Package(name='A'),))\n", "Package.name wants a package's name"),
    (f"{FEATURE}Feature(stage1=('a',))\n", "Feature.stage1 is for Notos' own features"),
    # names that are taken
    (f"{FEATURE}Feature(services=(Service(name='sshd', run='exec x'),))\n", "the service sshd is built in"),
    (f"{FEATURE}Feature(etc=(EtcFile(path='passwd', content=Text('')),))\n", "/etc/passwd is made by Notos"),
    (
        f"{FEATURE}Feature(etc=(EtcFile(path='hosts', content=Text('')),))\n",
        "gives the file /etc/hosts, which Notos",
    ),
    (f"{FEATURE}Feature(etc=(EtcFile(path='a', content=Text('')),) * 2)\n", "gives the file /etc/a twice"),
    (
        f"{FEATURE}Feature(packages=(Package(name='runit'),))\n",
        "gives the package runit, with other settings than",
    ),
    (f"{FEATURE}Feature(tools={{'qemu': ()}})\n", "Notos has tools called qemu"),
    # outputs
    (
        f"{HEAD}def outputs(machine, settings): return 1\n",
        r"outputs\(\) returns 1: it must return a list of Output",
    ),
    (f"{HEAD}def outputs(machine, settings): return ['a']\n", r"outputs\(\)\[0\] is 'a', and wants a Output"),
    (f"{HEAD}def outputs(machine, settings): 1 / 0\n", r"extensions/dog\.py:5: ZeroDivisionError"),
]


@pytest.mark.parametrize(("code", "message"), MISTAKES)
def test_mistakes(code: str, message: str) -> None:
    write(code)
    found = problems()
    assert len(found) == 1, found
    assert re.match(r"c\.yaml:3: extensions\.dog|c\.yaml:3: (the service|/etc)", found[0])
    assert re.search(message, found[0]), found


OUTPUT = f"""{HEAD}
def outputs(machine, settings):
    return [Output(**{{**dict(name="a-b", doc="a", files=("c",), needs=(), write=write), **CHANGE}})]

def write(inputs, folder): pass
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("name='A'", 'Output.name wants lower-case letters, .*; got "A"'),
        ("doc=''", "the output a-b wants a doc of one line"),
        ("files=()", "the output a-b has no files"),
        ("files=('../a',)", "Output.files wants paths below the output's folder"),
        ("files=('/a',)", "Output.files wants paths below the output's folder"),
        ("files=('a', 'a')", "the output a-b has a file twice"),
        ("files=('a', 'a/b')", "the output a-b has the file a/b below the file a"),
        ("needs=('kernel',)", r"needs\[0\] is 'kernel', and wants 'vmlinuz' or 'vmlinux'"),
        ("write=lambda inputs, folder: None", "wants a function of a module"),
        ("write='write'", "write is 'write', and wants a function of a module"),
        (
            "arguments={'a': 1.5}",
            "the output a-b has arguments that cannot be compared: 1.5 has no plain form",
        ),
        ("arguments={1: 2}", r"a key of outputs\(\)\[0\]\.arguments is 1, and wants a text"),
        ("tools=('squeeze',)", "the output a-b runs tools that no feature gives: squeeze"),
    ],
)
def test_mistakes_of_an_output(change: str, message: str) -> None:
    write(OUTPUT + f"\nCHANGE = dict({change})\n")
    (found,) = problems()
    assert found.startswith("c.yaml:3: extensions.dog: ")
    assert re.search(message, found), found


def test_an_output() -> None:
    write(OUTPUT + "\nCHANGE = {}\n")
    assert [*outputs.outputs(load())] == ["a-b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "extensions:\n  cat:\n",
            r"extensions\.cat: extensions/cat\.py does not exist: create it, or extensions/cat/",
        ),
        ("extensions:\n  dogg:\n", r"extensions/dogg\.py does not exist; did you mean dog\.py\?"),
        ("extensions:\n  Dog:\n", r"a key of extensions must be an extension's name"),
        ("extensions:\n  ../dog:\n", r"a key of extensions must be an extension's name"),
        ("extensions: [dog]\n", r"extensions must be a map; got a list; write extensions: "),
        ("extensions: dog\n", r'extensions must be a map; got "dog"; write extensions: '),
        ("extensions:\n", "extensions is empty"),
        ("extensions: {dog: true}\n", r'extensions\.dog must be a map of keys; got "true"; write dog: '),
        (
            "extensions: {dog: {second: 3}}\n",
            r'unknown key "second" in extensions\.dog; did you mean "seconds"\?',
        ),
        (
            "extensions: {dog: {seconds: 1}}\n",
            r"extensions\.dog\.seconds must be a whole number, 2 or more; got 1",
        ),
        (
            "extensions: {dog: {seconds: '3'}}\n",
            r"extensions\.dog\.seconds must be a whole number.*leave the quotes out",
        ),
        ("extension:\n  dog:\n", r'unknown key "extension"; did you mean "extensions"\?'),
    ],
)
def test_mistakes_of_the_config(text: str, message: str) -> None:
    write(SETTINGS)
    (found,) = problems(text)
    assert re.search(rf"^c\.yaml:[23]: .*{message}", found), found


def test_names_that_two_extensions_or_the_config_give() -> None:
    service = f"{FEATURE}Feature(services=(Service(name='a', run='exec busybox', log=True),))\n"
    write(service)
    write(service, "extensions/cat.py")
    (found,) = [each for each in problems("extensions:\n  cat:\n  dog:\n") if "a.log" not in each]
    assert found.startswith(
        "c.yaml:4: extensions.dog: extensions/dog.py gives the service a, which extensions/cat.py"
    )
    (found,) = problems("extensions:\n  dog:\nservices: {a: {run: exec busybox}}\n")
    assert "gives the service a, which the config gives too" in found
    (found,) = problems("extensions:\n  dog:\nservices: {a.log: {run: exec busybox}}\n")
    assert "gives the service a.log, which the config gives too" in found
    for code in (f"{FEATURE}Feature(drive='1G')\n", f"{FEATURE}Feature(accounts={{'a.conf': ''}})\n"):
        write(code)
        write(code, "extensions/cat.py")
        (found,) = problems("extensions:\n  cat:\n  dog:\n")
        assert "which extensions/cat.py gives too" in found
    write(OUTPUT + "\nCHANGE = {}\n")
    write(OUTPUT + "\nCHANGE = {}\n", "extensions/cat.py")
    (found,) = problems("extensions:\n  cat:\n  dog:\n")
    assert "extensions/dog.py gives the output a-b, which extensions/cat.py gives too" in found


def test_the_code_is_checked_with_the_machine_of_the_run() -> None:
    """It has the port of ssh that is added to vm.forward."""
    write(
        f"{HEAD}def feature(machine, settings):\n"
        "    path = 'hostname' if 22 in machine.vm.forward.values() else 'other'\n"
        "    return Feature(etc=(EtcFile(path=path, content=Text('')),))\n"
    )
    (found,) = problems("extensions:\n  dog:\nvm: {forward: {8000: 80}}\n")
    assert found.endswith("gives the file /etc/hostname, which Notos gives too")
    assert load("extensions:\n  dog:\nvm: {forward: {}}\n").vm.forward == {}


def test_all_mistakes_in_one_run() -> None:
    write("1 / 0\n")
    write(SETTINGS, "extensions/cat.py")
    found = problems("extensions:\n  dog:\n  cat: {seconds: 1}\nhostname: no_name\n")
    assert [each.partition(": ")[0] for each in found] == ["c.yaml:3", "c.yaml:4", "c.yaml:5"]


def test_all_mistakes_of_outputs_in_one_run() -> None:
    for name in ("dog", "cat"):
        write(f"{HEAD}def outputs(machine, settings): return {name!r}\n", f"extensions/{name}.py")
    found = problems("extensions:\n  dog:\n  cat:\n")
    assert [each.partition(" returns ")[0] for each in found] == [
        "c.yaml:3: extensions.dog: extensions/dog.py: outputs()",
        "c.yaml:4: extensions.cat: extensions/cat.py: outputs()",
    ]


def test_what_may_follow_from_another_mistake_is_not_reported() -> None:
    """A function of an extension gets a machine with values that are missing."""
    write(f"{FEATURE}Feature(kernel_params=(machine.name.upper(),))\n")
    Path("c.yaml").write_text("extensions:\n  dog:\n")
    with pytest.raises(ConfigError) as caught:
        loader.load(Path("c.yaml"))
    assert "AttributeError" not in str(caught.value)
    assert "name is missing" in str(caught.value)


CHECK = f"""{SETTINGS}
from notos.config.yaml_source import Problem

def _problems(settings, node):
    if settings.seconds % 2:
        yield Problem("seconds must be even", node.place)

CHECKS = {{Settings: _problems}}
"""


def test_an_extension_s_own_rules() -> None:
    write(CHECK)
    assert dog(load("extensions: {dog: {seconds: 4}}\n")) == "4 ()"
    (found,) = problems("extensions:\n  dog: {seconds: 5}\n")
    assert found == "c.yaml:3: seconds must be even"
    write(CHECK.replace("% 2", "% 0"))
    (found,) = problems("extensions:\n  dog: {seconds: 5}\n")
    assert re.match(r"c\.yaml:3: extensions/dog\.py:\d+: ZeroDivisionError", found)


def test_annotations_as_text() -> None:
    write("from __future__ import annotations\n" + SETTINGS)
    assert dog(load("extensions: {dog: {seconds: 4}}\n")) == "4 ()"
