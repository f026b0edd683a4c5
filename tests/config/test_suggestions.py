"""Suggestions in errors: each one loads, for every key and every invalid kind of value."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from notos import loader
from notos.config import shapes
from notos.config.model import Machine
from notos.config.shapes import ListOf, MapOf, Scalar, Shape, Struct
from notos.debian.release import KEYS
from notos.errors import ConfigError

Keys = tuple[str, ...]

# An extension, with a setting to suggest.
EXTENSION = """\
from dataclasses import dataclass
from notos.config.model import setting
from notos.features.model import Feature

@dataclass(frozen=True)
class Settings:
    seconds: int = setting("how long to wait", 30)

def feature(machine, settings):
    return Feature()
"""

VALUES = [
    *(
        "word",
        "two words",
        "a, b",
        "-bash",
        "5",
        "true",
        "''",
        "",
        "2222:22",
        "a=b",
        "a: b: c",
        "Über",
        "x.ko",
    ),
    *("[]", "[a]", "[a, b]", "['2222:22']", "[a: b]", "[{name: a, x: y}]", "[[a]]", "[80]", "[A=b]"),
    *("{}", "{a: b}", "{a: }", "{a: {b: c}}", "{name: a}", "{2222:22: }"),
]


def paths(shape: Shape, keys: Keys) -> Iterator[tuple[Keys, Shape]]:
    """Yield every key of a config with its shape, with one name of the user's choice in each map."""
    if keys:
        yield keys, shape
    if isinstance(shape, Struct):
        for name, field in shape.fields.items():
            if name == shape.rest:
                entries = shape.entries
                yield from paths(entries.value, (*keys, str(entries.key.text and entries.key.text.example)))
            elif not shape.keyed:
                yield from paths(field.shape, (*keys, name))
    if isinstance(shape, MapOf):
        own = {"services": "web", "etc": "motd", "forward": "80", "options": "EXT4_FS"}
        yield from paths(
            shape.value, (*keys, own.get(keys[-1]) or str(shape.key.text and shape.key.text.example))
        )


ALL = list(paths(shapes.struct(Machine), ()))


def document(keys: Keys, value: str) -> str:
    """Return a config with the YAML text `value` below `keys`."""
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate(keys)]
    lines[-1] += f" {value}"
    return "\n".join(([] if keys == ("name",) else ["name: x"]) + lines) + "\n"


def problems(path: Path, text: str) -> list[str]:
    """Return the first line of each problem in `text`."""
    path.write_text(text)
    try:
        loader.load(path)
    except ConfigError as error:
        return [line for line in str(error).split("\n") if line.startswith("c.yaml:")]
    return []


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the files and the folder that samples name."""
    monkeypatch.chdir(tmp_path)
    for name in ("etc/motd", "services/web/run", "extensions/watchdog.py"):
        Path(name).parent.mkdir(parents=True)
        Path(name).touch(0o755)
    Path("site").mkdir()
    Path("app").mkdir()
    Path("extensions/watchdog.py").write_text(EXTENSION)


def test_all_keys_are_tried() -> None:
    assert {("services", "web", "run"), ("etc", "motd", "text"), ("vm", "forward", "80")} <= {
        keys for keys, _ in ALL
    }
    assert len(ALL) > 60


@pytest.mark.parametrize(("keys", "shape"), ALL, ids=[".".join(keys) for keys, _ in ALL])
def test_suggestions_are_valid(keys: Keys, shape: Shape) -> None:
    """The suggestion leaves no problem at the key itself; other keys may still have some."""
    path = Path("c.yaml")
    where = ".".join(keys)
    suggested = 0
    for value in VALUES:
        for head in problems(path, document(keys, value)):
            about = re.match(rf"c\.yaml:\d+: {re.escape(where)} (?:must be|is empty)", head)
            found = re.search(r"(?:; write |, or give it [^:]*: )(?!\S* ?without)(.+)$", head)
            if not about or not found or not re.match(rf"(?:- |{re.escape(keys[-1])}: )", found[1]):
                continue
            suggested += 1
            written = f"[{found[1][2:]}]" if found[1].startswith("- ") else found[1][len(keys[-1]) + 2 :]
            left = problems(path, document(keys, written))
            bad = rf" {re.escape(where)}(?: must be| is (?!for a custom)|:)|not YAML" + (
                "|is missing" if len(keys) == 1 else ""
            )
            assert not [each for each in left if re.search(bad, each)], (value, head, left)
    if isinstance(shape, ListOf | MapOf | Struct):
        assert suggested, "a list, a map and a struct always have an example"


@pytest.mark.parametrize(("keys", "shape"), ALL, ids=[".".join(keys) for keys, _ in ALL])
def test_a_wrong_kind_has_an_example(keys: Keys, shape: Shape) -> None:
    """A value of a wrong kind (a word for a list, a list for a map, …) gets an example in its error."""
    wrong = {
        Scalar: ["[a, b]", "{a: {b: c}}"],
        ListOf: ["'?'", "{'?': {b: c}}"],
        MapOf: ["'?'", "['?']"],
        Struct: ["['?']"],
    }[type(shape)]
    if isinstance(shape, ListOf) and shape.single:
        wrong = wrong[1:]
    for value in wrong:
        heads = [each for each in problems(Path("c.yaml"), document(keys, value)) if " must be " in each]
        assert heads, value
        assert any(re.search(rf"; write (?:- |'?{re.escape(keys[-1])}'?: )", each) for each in heads), heads


TYPED = [
    ("system: {packages: bash}", "packages: [bash]"),
    ("system: {packages: -bash}", "packages: [bash]"),
    ("system:\n  packages:\n    -bash\n    -curl", "packages: [bash, curl]"),
    ("system: {packages: 'bash, curl'}", "packages: [bash, curl]"),
    ("system: {packages: {bash: , curl: }}", "packages: [bash, curl]"),
    ("system: {packages: {python3: {closure: depends}}}", "packages: [{python3: {closure: depends}}]"),
    ("system: {packages: [{name: python3, closure: depends}]}", "- python3: {closure: depends}"),
    ("system:\n  packages:\n    - python3:\n      closure: depends", "- python3: {closure: depends}"),
    ("system: {packages: [python3: depends]}", "python3: {closure: depends}"),
    ("vm: {forward: ['2222:22']}", "forward: {2222: 22}"),
    ("vm: {forward: [2222:22, 8080:80]}", "forward: {2222: 22, 8080: 80}"),
    ("vm: {forward: 2222:22}", "forward: {2222: 22}"),
    ("vm: {forward: ['127.0.0.1:8080:80/tcp']}", "forward: {8080: 80}"),
    ("vm: {forward: [8000]}", "forward: {8000: 8000}"),
    ("vm: {forward: [{2222: 22}]}", "forward: {2222: 22}"),
    ("services: {web: exec nginx -g 'daemon off;'}", "web: {run: exec nginx -g 'daemon off;'}"),
    ("services: {web: services/web}", "web: {source: services/web}"),
    ("services: [{name: web, run: exec x}]", "services: {web: {run: exec x}}"),
    ("services: {web: [exec x]}", "web: {run: exec x}"),
    ("services: {web: [exec a, exec b]}", "web: {run: exec busybox httpd -f -h /tmp}"),
    ("services: {web: [nginx, curl]}", "web: {packages: [nginx, curl]}"),
    ("imports: ''", "imports: [other.yaml]"),
    ("services: {web: {run: [exec, nginx]}}", "run: exec nginx"),
    (
        "nix: {settings: {substituters: [http://a.example, http://b.example]}}",
        "substituters: 'http://a.example http://b.example'",
    ),
    ("etc:\n  motd: |\n    hello\n    world", 'motd: {text: "hello\\nworld\\n"}'),
    ("etc: {motd: hi}", "motd: {text: hi}"),
    ("etc: {motd: 'on'}", "motd: {text: 'on'}"),
    ("etc: {motd: etc/motd}", "motd: {source: etc/motd}"),
    ("etc: [{motd: {text: hi}}]", "etc: {motd: {text: hi}}"),
    ("kernel: linux-image-amd64", "kernel: {package: linux-image-amd64}"),
    ("kernel: {modules: tun.ko}", "modules: [tun]"),
    ("kernel: {source: linux-source-6.12, options: [CONFIG_EXT4_FS=y]}", "options: {EXT4_FS: y}"),
    ("kernel_params: quiet panic=-1", "kernel_params: [quiet, panic=-1]"),
    ("kernel_params: {panic: -1}", "kernel_params: [panic=-1]"),
    ("ssh: dropbear", "ssh: {server: dropbear}"),
    ("nix: true", "nix: {enable: true}"),
    ("nix: {settings: max-jobs = 2}", "settings: {max-jobs: 2}"),
    ("vm: 512", "vm: {memory: 512}"),
    ("debian: bookworm", "debian: {suite: bookworm}"),
    ("network: [dhcp]", "network: dhcp"),
    ("hostname: [web]", "hostname: web"),
    ("imports: base.yaml", "imports: [base.yaml]"),
    ("build: {environment: [DISTCC_HOSTS=localhost]}", "environment: {DISTCC_HOSTS: localhost}"),
]


@pytest.mark.parametrize(("text", "wanted"), TYPED, ids=[text for text, _ in TYPED])
def test_suggestions_keep_the_users_words(text: str, wanted: str) -> None:
    (head,) = problems(Path("c.yaml"), f"name: x\n{text}\n")
    assert head.endswith(f"; write {wanted}")
    assert yaml.safe_load(wanted)


REPAIRED = [
    ("system: {packages: [bash=5.2]}", "write bash; versions are in the lock"),
    ("system: {packages: [python3_pip]}", "write python3-pip"),
    ("system: {packages: ['vim:amd64']}", "write vim"),
    ("hostname: my_host", "write my-host"),
    ("hostname: web.example.com", "write web"),
    ("vm: {memory: 2G}", "write 2048"),
    ("vm: {memory: 512MiB}", "write 512"),
    ("disk: 10GB", "write 10G"),
    ("disk: 10 g", "write 10G"),
    ("network: {address: 10.0.2.15}", "write 10.0.2.15/24"),
    ("network: {address: 10.0.2.15/255.255.255.0}", "write 10.0.2.15/24"),
    ("network: {address: 10.0.2.15/24, gateway: 10.0.2.2/24}", "write 10.0.2.2"),
    ("kernel_params: [quiet splash]", "write each by itself: quiet, splash"),
    ("system: {packages: ['bash, curl']}", "write each by itself: bash, curl"),
    ("kernel: {modules: [usb-storage.ko.xz]}", "write usb-storage"),
    ("kernel: {source: 'http://x.example/l.tar'}", "an example is linux-source-6.12"),
    ("debian: {components: [non_free]}", "write non-free"),
    ("vm: {accel: KVM}", 'did you mean "kvm"?'),
    ("ssh: {server: OpenSSH}", 'did you mean "openssh"?'),
    ("ssh: {server: sshd}", 'did you mean "openssh"?'),
    ("network: {method: DHCP}", 'did you mean "dhcp"?'),
    ("etc: {motd: {text: x, mode: 0o644}}", 'write "0644"'),
    ("etc: {motd: {source: etc/mtd}}", "did you mean motd?"),
    ("etc: {motd: {source: ~/motd}}", "~ is not expanded in a config, write the whole path"),
    ("debian: {mirror: mirror.example/debian}", "write http://mirror.example/debian"),
    ("kernel: {modules: [tun.ko]}", "write tun"),
    ("kernel: {source: l1, options: {CONFIG_X: y}}", "write X"),
    ("etc: {/etc/motd: {text: hi}}", "write motd"),
    ("system: {packages: [{bash: {only: [/usr/bin/bash]}}]}", "write usr/bin/bash"),
]


@pytest.mark.parametrize(("text", "wanted"), REPAIRED, ids=[text for text, _ in REPAIRED])
def test_spellings_of_other_tools_are_repaired(text: str, wanted: str) -> None:
    (head,) = problems(Path("c.yaml"), f"name: x\n{text}\n")
    assert head.endswith(f"; {wanted}")


FOREIGN = [
    ("accounts: [me]", "users: {alice: {uid: 1000}}"),
    ("users: {me: {gecos: Me}}", "description: TEXT"),
    ("users: {me: {password: x}}", "openssl passwd -6"),
    ("files: {/a: {content: x}}", "text: …"),
    ("files: {/a: {symlink: /b}}", "link: TARGET"),
    ("write_files: []", "files: {/var/www: {source: site}}"),
    ("packages: [bash]", "system: {packages: [bash]}"),
    ("Packages: [bash]", "system: {packages: [bash]}"),
    ("ports: ['80:80']", "vm: {forward: {8080: 80}}"),
    ("volumes: [a]", "disk: 10G"),
    ("fileSystems: {}", "mounts: {/data:"),
    ("runcmd: [a]", "services: {web: {run:"),
    ("environment: {A: b}", "run script"),
    ("kernelParams: [quiet]", 'did you mean "kernel_params"?'),
    ("KernelCommandLine: quiet", "kernel_params: [quiet]"),
    ("ssh_authorized_keys: [a]", "ssh: {authorized_keys:"),
    ("services: {web: {command: x}}", "run: exec PROGRAM"),
    ("services: {web: {run: x, restart: always}}", "leave it out"),
    ("services: {web: {run: x, user: www}}", "chpst -u"),
    ("etc: {motd: {content: hi}}", "text: "),
    ("etc: {motd: {text: hi, permissions: '0644'}}", "mode: '0644'"),
    ("vm: {ports: [80]}", "forward: {8080: 80}"),
    ("ssh: {authorizedKeys: [a]}", 'did you mean "authorized_keys"?'),
    ("vm: {hostname: x}", "hostname is a key at the top of the config"),
    ("memory: 512", 'did you mean "vm.memory"?'),
]


@pytest.mark.parametrize(("text", "says"), FOREIGN, ids=[text for text, _ in FOREIGN])
def test_keys_of_other_tools_get_advice(text: str, says: str) -> None:
    (head,) = problems(Path("c.yaml"), f"name: x\n{text}\n")
    assert 'unknown key "' in head
    assert says in head


def test_advice_for_foreign_keys_loads() -> None:
    """Each example in the advice loads once its placeholders are filled in."""
    from notos.config import foreign_keys

    tops = {*shapes.struct(Machine).fields, "imports"}
    seen = 0
    for advice in set(foreign_keys._TOP.values()):
        for found in re.findall(r"(?:write |etc: |services: )((?:\w+): (?:\{.*\}|\[.*\]|[\w.]+))", advice):
            key = found.partition(":")[0]
            if key in tops and "…" not in found:
                text = found.replace("NAME", "web").replace("URL", "https://packages.example/debian")
                text = text.replace("FILE", str(next(iter(sorted(KEYS.iterdir())))))
                left = problems(Path("c.yaml"), f"name: x\n{text}\n")
                assert not left or key == "imports", found
                seen += 1
    assert seen > 10


OUTDENTED = [
    ("system:\npackages:\n  - bash", "packages", "system"),
    ("vm:\nmemory: 512\ncpus: 2", "memory", "vm"),
    ("services:\n  web:\n  run: exec x", "run", "web"),
    ("etc:\n  motd:\n  text: hi", "text", "motd"),
    ("build:\n  ccache:\n  enable: true", "enable", "ccache"),
]


@pytest.mark.parametrize(("text", "key", "above"), OUTDENTED, ids=[text for text, *_ in OUTDENTED])
def test_a_key_that_should_be_indented(text: str, key: str, above: str) -> None:
    heads = problems(Path("c.yaml"), f"name: x\n{text}\n")
    line = next(number for number, each in enumerate(text.split("\n"), 2) if each.strip().startswith(key))
    assert f"c.yaml:{line}: indent this below {above}:, which is empty otherwise" in heads


@pytest.mark.parametrize(("keys", "shape"), ALL, ids=[".".join(keys) for keys, _ in ALL])
def test_no_empty_text_is_suggested(keys: Keys, shape: Shape) -> None:
    for value in ("", "''", "['']", "{'': ''}", "{a: ''}", "[{a: ''}]", "[['']]"):
        for head in problems(Path("c.yaml"), document(keys, value)):
            assert not re.search(r"; write .*(?:''|\"\")|, or give it .*''", head), head


def test_an_empty_list_of_imports() -> None:
    (head,) = problems(Path("c.yaml"), "name: x\nimports:\n")
    assert head.endswith(": imports: [other.yaml]")


def test_a_problem_has_a_short_line() -> None:
    (head,) = problems(Path("c.yaml"), f"name: x\nsystem: {{packages: {'bash ' * 500}}}\n")
    assert len(head) < 400


def test_a_long_list_is_fast() -> None:
    """A long list takes seconds of this process' CPU time; comparing all pairs took minutes."""
    before = time.process_time()
    names = ", ".join(f"a{number}: " for number in range(60_000))
    (head,) = problems(Path("c.yaml"), f"name: x\nsystem: {{packages: {{{names}}}}}\n")
    assert head.endswith("; write packages: [busybox]")
    assert time.process_time() - before < 20
