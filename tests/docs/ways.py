"""The ways in which the tests prove a command of the docs: its form, and what is done with it."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["run", "boot", "machine", "fetch", "parse", "elsewhere", "file"]


@dataclass(frozen=True)
class Way:
    """A way for the commands that `pattern` matches as a whole.

    run        run in a copy of the project; it must succeed
    boot       built if the command says so, and booted by the test driver
    machine    run while the machine that the page booted is up
    fetch      an address of the machine is fetched
    parse      only parsed by doit: its tasks, options and variables exist; a test of its own runs it
    elsewhere  what it does is proven by the test that `test` names (FILE::TEST)
    file       the files of the project that it names exist
    """

    kind: Kind
    pattern: str
    test: str = ""


_VARIABLES = r"(?:[a-z]+=\S+ |--config \S+ )*"
_NEEDS_A_MACHINE = "ssh|switch|rollback|generations"
# These take long, need a person or a drive of the host's; each has tests of its own.
_LONG = (
    "test|test-[a-z]+|check|check-reproducible|bench|boot-report|boot|repl|publish|builder|gc|docs|"
    "kernel:[a-z]+"
)

_SLAVE = "tests/machines/test_build_slave.py::slave"
_EXAMPLE = "tests/test_example.py::tested"
_NOTOS = "tests/test_notos.py::test_its_tests_pass"
_INSTANCE = "tests/boot/test_instance.py::test_two_machines_of_one_image"
_HOST = "tests/test_docs.py::test_readme_names_what_a_host_needs"

WAYS = (
    Way(
        "elsewhere",
        r"\./doit (?:--config |config=)examples/extension/config\.yaml boot-files",
        "tests/test_extending.py::test_the_output_s_files",
    ),
    Way(
        "elsewhere",
        r"\./doit (?:--config |config=)examples/build-slave\.yaml runvm && build/build-slave/runvm\.sh",
        _SLAVE,
    ),
    Way("elsewhere", r'eval "\$\((?:sudo -u YOU )?\./doit .*builder\)"', _SLAVE),
    Way("elsewhere", r"nix-build .*", _SLAVE),
    Way("elsewhere", r"NOTOS_INSTANCE=\S+ (?:[A-Z_]+=\S+ )*\./result", _INSTANCE),
    Way("elsewhere", r"tar -cf web1\.img notos-instance", "tests/boot/test_instance.py::test_a_drive"),
    Way(
        "elsewhere",
        r"python3 build/notos/instance\.py web1 >web1\.img",
        "tests/outputs/test_qemu_instance.py::test_the_archive",
    ),
    Way(
        "boot",
        rf"(?:\./doit {_VARIABLES}runvm && )?(?:[A-Z_]+=\S+ )*(?:\./result|build/[\w-]+/runvm\.sh)(?: .*)?",
    ),
    Way(
        "elsewhere",
        r"\./doit (?:help TASK|\[OPTIONS\] .*)",
        "tests/tasks/test_command_line.py::test_help_of_a_task",
    ),
    Way(
        "elsewhere",
        r"source <\(\./doit completion (?:bash|zsh)\)|\./doit completion fish \| source",
        "tests/tasks/test_completion.py::test_tab",
    ),
    Way("machine", rf"(?:SSH_PORT=\d+ )?\./doit {_VARIABLES}(?:{_NEEDS_A_MACHINE})(?: .*)?"),
    Way("parse", rf"\./doit {_VARIABLES}(?:{_LONG})(?: .*)?"),
    Way("run", r"\./doit(?: .*)?"),
    Way("parse", r"\.venv/bin/notos lock"),
    Way("machine", r"(?:ssh|scp|sftp) .*"),
    Way("fetch", r"curl -s http://127\.0\.0\.1:(?P<port>\d+)/"),
    Way("run", r"(?:chmod|ssh-keygen|git (?:add|checkout|commit|config|push))(?: .*)?"),
    Way("elsewhere", r"python3 -m venv \.venv", "tests/test_example.py::stranger"),
    Way("elsewhere", r"(?:\.venv/bin/)?pip (?:install|wheel) .*", "tests/test_example.py::wheel"),
    Way("elsewhere", r"\.venv/bin/pytest(?: .*)?", _EXAMPLE),
    Way("elsewhere", r"\.notos/build/\S+/runvm\.sh", _EXAMPLE),
    Way("elsewhere", r"\.venv/bin/python -m notos\.vm .*", "tests/machines/test_driver.py::"),
    Way("elsewhere", r"apt-get (?:update|install .*)", _HOST),
    Way("elsewhere", r"python3 -m venv ~/notos-venv|~/notos-venv/bin/\w+ .*|cd web|notos .*", _NOTOS),
    Way(
        "elsewhere",
        r"mkdir -p ~/\.config/notos|echo '[a-z_]+: \S+' >>~/\.config/notos/host\.yaml"
        r"|NOTOS_MIRROR=\S+ \./doit runvm",
        "tests/debian/test_mirror.py::test_then_the_environment_then_host_yaml_then_apt",
    ),
    Way(
        "elsewhere",
        r"pip download .*|PIP_NO_INDEX=1 PIP_FIND_LINKS=\S+ \./doit runvm",
        "tests/test_bootstrap.py::test_without_a_network",
    ),
    Way("file", r"(?:gpg|sq) .*"),
)


def way(command: str) -> Way | None:
    """Return the way for a command, the first that matches."""
    return next((each for each in WAYS if re.fullmatch(each.pattern, command)), None)
