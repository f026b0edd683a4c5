"""The JSON Schema and the reference: current and consistent with the loader."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from notos import loader
from notos.config import schema, shapes
from notos.config.model import Machine, MachineName
from notos.config.types import NUMBERS, TEXTS
from notos.errors import ConfigError

ROOT = Path(__file__).parents[2]
CONFIGS = [
    ROOT / "config.yaml",
    *sorted((ROOT / "examples").glob("*.yaml")),
    ROOT / "examples/extension/config.yaml",
    ROOT / "examples/project/config.yaml",
]
BLOCKS = re.findall(r"```yaml\n(.*?)```", schema.REFERENCE.read_text(), re.DOTALL)
VALIDATOR = jsonschema.Draft202012Validator(schema.schema())


def as_json(value: Any) -> Any:
    """Return a YAML value as an editor passes it to a schema: keys are text, dates stay dates."""
    if isinstance(value, dict):
        return {str(key): as_json(each) for key, each in value.items()}
    return [as_json(each) for each in value] if isinstance(value, list) else value


def valid(text: str) -> bool:
    return bool(VALIDATOR.is_valid(as_json(yaml.safe_load(text))))


def test_files_are_current() -> None:
    hint = "run: python -m notos.config.schema"
    assert schema.SCHEMA.read_text() == schema.render(), hint
    for page, tables in ((schema.REFERENCE, 3), (schema.HOSTS, 1)):
        text = page.read_text()
        assert text.count("<!-- table: ") == tables
        assert text == schema.reference(text), hint


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.schema())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_configs_of_the_project(path: Path) -> None:
    assert valid(path.read_text())
    assert loader.load(path).machine
    modeline = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert modeline, "the first line is for editors"
    assert (path.parent / modeline[1]).resolve() == schema.SCHEMA


def test_the_reference_has_every_text_and_number() -> None:
    """Every shape resolves, and every type of text is used, described and matches its own example."""
    used = str(schema.schema())
    for kind in TEXTS.values():
        if kind.pattern:
            assert kind.pattern.replace("\\", "\\\\") in used
        if kind.example and "…" not in kind.example:
            assert re.fullmatch(kind.pattern, kind.example)
    assert all(kind.name for kind in NUMBERS.values())
    for field in shapes.struct(Machine).fields.values():
        assert field.doc


REFUSED = [
    "hostname: x",
    "name: x\nzzz: 1",
    "name: 12",
    "name: x\nhostname: no",
    "name: x\nhostname: my_host",
    "name: x\nvm: 3",
    "name: x\nvm:",
    "name: x\nvm: {memmory: 1}",
    "name: x\nvm: {memory: 1}",
    "name: x\nvm: {memory: '512'}",
    "name: x\nvm: {memory: 512M}",
    "name: x\nvm: {accel: kmv}",
    "name: x\nvm: {forward: {a: 1}}",
    "name: x\nvm: {forward: {1: 70000}}",
    "name: x\nkernel: {modules: tun}",
    "name: x\nextensions: [dog]",
    "name: x\nextensions: {dog: true}",
    "name: x\nextensions: {Dog: {}}",
    "name: x\nkernel: {modules: [tun, tun]}",
    "name: x\nnetwork: dhpc",
    "name: x\nnetwork: {address: 10.0.2.15}",
    "name: x\nnetwork: {address: 10.0.2.256/24}",
    "name: x\ndebian: {mirror: file:///x}",
    "name: x\nsystem: {packages: [B]}",
    "name: x\nsystem: {packages: [{a1: {}, b1: {}}]}",
    "name: x\nsystem: {packages: [{a1: {closure: all}}]}",
    "name: x\nsystem: {packages: [{a1: {name: b1}}]}",
    "name: x\nsystem: {packages: [{a1: }]}",
    "name: x\nnix: {enable: 1}",
    "name: x\nnix: {settings: {a: 1.5}}",
    "name: x\nnix: {settings: {a: [b]}}",
    "name: x\nservices: {.a: {run: x}}",
    "name: x\nservices: {a: {run: ''}}",
    "name: x\netc: {/a: {text: x}}",
    "name: x\netc: {a/../b: {text: x}}",
    "name: x\netc: {a: {text: 1.10}}",
    "name: x\netc: {a: {text: x, mode: 0644}}",
    "name: x\nssh: {authorized_keys: [x]}",
    "name: x\nimports: a.yaml",
    "[name]",
    "word",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused_by_both(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError):
        loader.load(tmp_path / "c.yaml")
    assert not valid(text)


TAKEN = [
    "name: x\nnetwork: none",
    "name: x\nnetwork: {method: dhcp, interface: eth1}",
    "name: x\nsystem: {packages: [a1, {b1: {closure: depends, only: [usr/bin/*]}}, {c1: {}}]}",
    "name: x\nnix: {settings: {a: 1, b: true, c: text}}",
    "name: x\nvm: {forward: {1: 65535}}",
    "name: x\nservices: {a: {run: 'exec b\n\n  c'}}",
    "name: x\ndebian: {mirror: 'http://mirror.example/debian', components: [main, non-free-firmware]}",
    "name: x\netc: {a b/.c: {text: '', mode: '600'}}",
]


@pytest.mark.parametrize("text", TAKEN)
def test_accepted_by_both(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    assert loader.load(tmp_path / "c.yaml").machine.name == "x"
    assert valid(text)


def test_the_schema_has_the_defaults_of_the_structs(tmp_path: Path) -> None:
    def fill(shape: Any) -> Any:
        shape = schema.schema()["$defs"][shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
        found = {}
        for name, each in shape.get("properties", {}).items():
            value = each["default"] if "default" in each else fill(each)
            if value:
                found[name] = value
        return found

    text = yaml.safe_dump({"name": "x"} | fill(schema.schema()))
    assert "dhcp" in text and "busybox" in text
    (tmp_path / "c.yaml").write_text(text)
    assert loader.load(tmp_path / "c.yaml").machine == Machine(name=MachineName("x"))


@pytest.mark.parametrize("block", BLOCKS, ids=[block.split("\n")[0] for block in BLOCKS])
def test_examples_of_the_reference(tmp_path: Path, block: str) -> None:
    for each in BLOCKS:  # one may import another
        if named := re.match(r"# (\S+\.yaml)\n", each):
            (tmp_path / named[1]).write_text(each)
    for path in ("services/metrics/run", "etc/ssh.conf"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch(0o755)
    (tmp_path / "block.yaml").write_text(block)
    (tmp_path / "c.yaml").write_text("name: example\nimports: [block.yaml]\n")
    machine = loader.load(tmp_path / "c.yaml").machine
    assert machine != Machine(name=MachineName("example")) or "name: tiny" in block
    assert valid(block + ("" if re.search("^name:", block, re.MULTILINE) else "\nname: x\n"))


def test_the_reference_shows_the_result_of_imports(tmp_path: Path) -> None:
    for each in BLOCKS:
        if named := re.match(r"# (\S+\.yaml)\n", each):
            (tmp_path / named[1]).write_text(each)
    machine = loader.load(tmp_path / "laptop.yaml").machine
    assert (machine.name, machine.hostname, machine.vm.memory) == ("laptop", "laptop", 256)
    assert [each.name for each in machine.system.packages] == ["busybox", "bash", "iproute2"]
    assert machine.vm.forward == {2222: 22, 8000: 80}


def test_the_error_in_the_reference_is_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("name: x\n" + "#\n" * 28 + "vm:\n  memmory: 512\n")
    with pytest.raises(ConfigError) as caught:
        loader.load(Path("config.yaml"))
    shown = "".join(f"    {line}\n" for line in str(caught.value).split("\n"))
    assert shown in schema.REFERENCE.read_text()
