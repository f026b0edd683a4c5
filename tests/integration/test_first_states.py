"""First states: their comments, order and report, and the runner with busybox's shell."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.debian.unpack import Unpack
from notos.integration import first_states, not_done
from tests.conftest import ROOT, Tool
from tests.integration.packages import laid_out, script
from tests.signed_archive import Deb

RUNNER = ROOT / "runit/first-state"
STATES = sorted((ROOT / "runit/first-states").iterdir())


@pytest.mark.parametrize("path", STATES, ids=lambda path: path.name)
def test_each_says_whose_work_it_does(path: Path) -> None:
    state = first_states.parse(path.read_text())
    assert state.claims or path.name == "vsftpd", "the link in /etc is Notos' own"
    for name in (*state.after, path.name):
        assert (path.parent / name).is_file()
    assert {"isMade() {", "make() {"} <= {
        f"{line.partition('{')[0]}{{" for line in path.read_text().splitlines()
    }


def test_claims() -> None:
    text = "#!/bin/sh\n# does postinst of x-*: one ?\n# does config of y: *\n# after: a b\n"
    state = first_states.parse(text)
    assert state.after == ("a", "b")
    one, all_of = state.claims
    assert one.covers("x-1", "postinst", "one")
    assert one.covers("x-1", "postinst", "")
    assert not one.covers("x-1", "postinst", "two")
    assert not one.covers("x-1", "preinst", "one")
    assert not one.covers("x", "postinst", "one")
    assert all_of.covers("y", "config", first_states.ALL)
    assert not one.covers("x-1", "postinst", first_states.ALL)


def debs(folder: Path, made: Sequence[Deb]) -> list[Unpack]:
    found = []
    for each in made:
        path = folder / each.file_name
        path.write_bytes(each.build())
        found.append(Unpack(path, package=each.name))
    return found


def test_the_order(tmp_path: Path) -> None:
    """It is dpkg's order, except that postfix names a package that comes first."""
    made = [
        Deb("bind9", depends="rabbitmq-server"),
        Deb("other"),
        Deb("postfix"),
        Deb("rabbitmq-server"),
        Deb("ssl-cert"),
    ]
    names = [path.name for path in STATES]
    assert first_states.ordered(debs(tmp_path, made), names) == [
        "rabbitmq-server",
        "bind9",
        "ssl-cert",
        "postfix",
    ]


def test_parts_of_a_package_have_no_first_state(tmp_path: Path) -> None:
    (unpack,) = debs(tmp_path, [Deb("ssl-cert")])
    part = Unpack(unpack.path, ("usr/bin/x",), (), "ssl-cert")
    assert first_states.ordered([part], ["ssl-cert"]) == []


def test_a_service_of_notos_in_its_place(tmp_path: Path) -> None:
    made = debs(tmp_path, [Deb("openssh-server")])
    assert first_states.ordered(made, ["openssh-server"]) == ["openssh-server"]
    assert first_states.ordered(made, ["openssh-server"], ["sshd"]) == []


def test_the_report_leaves_out_their_work(tmp_path: Path) -> None:
    """A command that a new version of the package adds is reported."""
    lines = script("make-ssl-cert generate-default-snakeoil", "make-other-cert now")
    _, context = laid_out(tmp_path, [Deb("ssl-cert", scripts={"postinst": lines})])
    assert [str(each) for each in not_done.find(context.packages.values(), AMD64)] == [
        "postinst of ssl-cert calls make-other-cert now, which is not done"
    ]


class Machine:
    """The folders of a made-up machine, in which the runner runs."""

    def __init__(self, root: Path, busybox: list[str]) -> None:
        self.root = root
        self._busybox = busybox
        for name in ("states", "bin", "tmp", "etc"):
            (root / name).mkdir(parents=True)
        applets = (
            "readlink",
            "sleep",
            "sh",
            "mkdir",
            "cp",
            "mv",
            "rm",
            "sync",
            "cat",
            "touch",
            "chown",
            "chmod",
            "ln",
            "install",
        )
        for name in applets:
            (root / "bin" / name).write_text(f'#!/bin/sh\nexec {" ".join(busybox)} {name} "$@"\n')
        (root / "bin/busybox").write_text(f'#!/bin/sh\nexec {" ".join(busybox)} "$@"\n')
        for path in (root / "bin").iterdir():
            path.chmod(0o755)
        (root / "step").write_text('step() { echo "$1"; }\nmark() { :; }\n')
        text = RUNNER.read_text()
        for line, place in {
            "states=/etc/runit/first-states": f"states={root}/states",
            "kept=/var/lib/notos/first-states": f"kept={root}/kept",
            "folders=/var/lib/notos/etc": f"folders={root}/folders",
            "logs=/var/log/first-states": f"logs={root}/logs",
            "lock=/run/notos/first-state.lock": f"lock={root}/run/lock",
            ". /etc/runit/step": f". {root}/step",
        }.items():
            assert text.count(f"{line}\n") == 1
            text = text.replace(f"{line}\n", f"{place}\n")
        (root / "runner").write_text(text)

    def state(self, name: str, text: str) -> None:
        (self.root / "states" / name).write_text(text.replace("@", str(self.root)))

    def begin(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._busybox, "sh", str(self.root / "runner")],
            env={"PATH": str(self.root / "bin")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> str:
        with self.begin() as process:
            out, err = process.communicate()
        assert err == ""
        return out

    def kill(self) -> None:
        """Leave what an interrupted run of the state `x` leaves."""
        (self.root / "kept").mkdir(exist_ok=True)
        (self.root / "kept/x.unfinished").touch()

    def read(self, path: str) -> str:
        return (self.root / path).read_text()


@pytest.fixture
def made_up(tmp_path: Path, tool: Tool) -> Machine:
    return Machine(tmp_path / "root", [str(word) for word in tool("busybox")])


STATE = """
isMade() { [ -e @/result ]; }
undo() { rm -f @/result; echo undone; }
make() { echo made >>@/runs; false_if_broken; touch @/result; }
false_if_broken() { [ ! -e @/broken ]; }
"""


def test_a_state_is_made_once(made_up: Machine) -> None:
    made_up.state("00-x", STATE)
    assert made_up.run() == "making the first state of x...\n"
    assert made_up.run() == ""
    assert made_up.read("runs") == "made\n"
    assert not (made_up.root / "kept/x.unfinished").exists()


def test_a_failure_is_one_line_and_the_others_go_on(made_up: Machine) -> None:
    """The remains of a failure are removed, and the next boot tries again."""
    made_up.state("00-x", STATE)
    made_up.state("01-y", "isMade() { [ -e @/y ]; }\nmake() { touch @/y; }\n")
    (made_up.root / "broken").touch()
    log = made_up.root / "logs/x"
    assert made_up.run().splitlines() == [
        "making the first state of x...",
        f"the first state of x failed; {log} has its output",
        "making the first state of y...",
    ]
    assert log.read_text() == "undone\n"
    assert not (made_up.root / "result").exists()
    (made_up.root / "broken").unlink()
    assert made_up.run() == "making the first state of x...\n"


def test_a_second_run_waits_for_the_first(made_up: Machine) -> None:
    """A boot and a switch may begin at the same time."""
    made_up.state("00-x", STATE.replace("false_if_broken;", "touch @/begun; sleep 2; false_if_broken;"))
    with made_up.begin() as first:
        while not (made_up.root / "begun").exists():
            assert first.poll() is None
        assert made_up.run() == ""
        assert first.communicate() == ("making the first state of x...\n", "")
    assert made_up.read("runs") == "made\n"
    assert "undone" not in made_up.read("logs/x")


def test_a_run_that_was_killed_holds_no_lock(made_up: Machine) -> None:
    made_up.state("00-x", STATE)
    (made_up.root / "run").mkdir()
    (made_up.root / "run/lock").symlink_to("1")
    assert made_up.run() == "making the first state of x...\n"
    assert not list((made_up.root / "run").iterdir())


def test_an_interrupted_run_is_made_again(made_up: Machine) -> None:
    made_up.state("00-x", STATE)
    made_up.kill()
    (made_up.root / "result").touch()
    assert made_up.run() == "making the first state of x...\n"
    assert "undone" in made_up.read("logs/x")
    assert made_up.run() == ""


def test_a_result_that_is_missing_after_make_is_a_failure(made_up: Machine) -> None:
    made_up.state("00-x", "isMade() { false; }\nmake() { :; }\n")
    assert "the first state of x failed" in made_up.run()


def test_files_in_etc_are_kept(made_up: Machine) -> None:
    """The next boot has an empty /etc, and the same secret. A file of the config is not replaced."""
    made_up.state(
        "00-x",
        "keeps=@/etc/x/key\nisMade() { [ -s @/etc/x/key ]; }\n"
        "make() { mkdir -p @/etc/x; echo x >>@/runs; cat @/runs >@/etc/x/key; chmod 600 @/etc/x/key; }\n",
    )
    made_up.run()
    key = made_up.root / "etc/x/key"
    key.unlink()
    key.parent.rmdir()
    assert made_up.run() == ""
    assert key.read_text() == "x\n"
    assert key.stat().st_mode & 0o777 == 0o600
    assert (made_up.root / "kept").stat().st_mode & 0o777 == 0o700
    key.write_text("mine\n")
    made_up.run()
    assert key.read_text() == "mine\n"


def from_notos(made_up: Machine, package: str, **programs: str) -> Path:
    """Add a real first state below the machine's folder, and programs; return the folder."""
    root = made_up.root
    text = (ROOT / "runit/first-states" / package).read_text()
    for top in ("/var/", "/etc/", "/usr/lib/postgresql", "/usr/share/"):
        text = text.replace(top, f"{root}{top}")
    text = (
        text.replace(" -o postgres -g postgres", "")
        .replace(" -o mysql -g mysql", "")
        .replace(" -o openldap -g openldap", "")
    )
    (root / f"states/00-{package}").write_text(text)
    applets = ("find", "head", "grep", "sed", "mktemp", "chgrp", "rmdir")
    for name in applets:
        programs.setdefault(name, f'exec {" ".join(made_up._busybox)} {name} "$@"')
    for name, script_ in {"chown": ":", "chgrp": ":", **programs}.items():
        (root / "bin" / name).write_text(f"#!/bin/sh\n{script_.replace('@/', f'{root}/')}\n")
        (root / "bin" / name).chmod(0o755)
    return root


INSTALL_DB = "mkdir -p @/var/lib/mysql/mysql; [ ! -e @/broken ]"


def test_databases_from_elsewhere_stay(made_up: Machine) -> None:
    """A folder with data but without the system tables is not made, and not emptied by the next boots."""
    root = from_notos(made_up, "mariadb-server", bash=INSTALL_DB)
    mine = root / "var/lib/mysql/shop/orders.ibd"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    for _ in range(2):
        said = made_up.run().splitlines()
        assert f"{mine.parents[1]} is not empty, but incomplete; it stays as it is" in said
        assert mine.read_text() == "mine"
    assert not (root / "var/lib/mysql/.notos-new").exists()
    (root / "kept/mariadb-server.unfinished").touch()
    made_up.run()
    assert mine.read_text() == "mine"


def test_a_new_database_beside_files_of_packages(made_up: Machine) -> None:
    """A failure removes what the run has made, and nothing else."""
    root = from_notos(made_up, "mariadb-server", bash=INSTALL_DB)
    data = root / "var/lib/mysql"
    (data / "lost+found").mkdir(parents=True)
    (data / "debian-11.8.flag").touch()
    (root / "broken").touch()
    assert "failed" in made_up.run()
    assert sorted(each.name for each in data.iterdir()) == ["debian-11.8.flag", "lost+found"]
    (root / "broken").unlink()
    assert "failed" not in made_up.run()
    assert (data / "mysql").is_dir()


CREATE = """
mkdir -p @/var/lib/postgresql/17/main @/etc/postgresql/17/main
echo new >@/etc/postgresql/17/main/postgresql.conf
echo new >@/etc/postgresql/17/main/pg_hba.conf
[ ! -e @/broken ] && echo 17 >@/var/lib/postgresql/17/main/PG_VERSION
"""


def cluster(made_up: Machine) -> tuple[Path, Path]:
    """Return the folders of the configuration and of the data of a cluster, with a configuration."""
    root = from_notos(made_up, "postgresql-common", pg_createcluster=CREATE, pg_updatedicts=":")
    program = root / "usr/lib/postgresql/17/bin/initdb"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    conf, data = root / "etc/postgresql/17/main", root / "var/lib/postgresql/17/main"
    for folder in (conf, data):
        folder.mkdir(parents=True)
    for name in ("postgresql.conf", "pg_hba.conf", "mine.conf"):
        (conf / name).write_text("mine\n")
    return conf, data


def test_a_cluster_from_elsewhere_stays(made_up: Machine) -> None:
    conf, data = cluster(made_up)
    (data / "base").mkdir()
    (data / "PG_VERSION").touch()
    assert "is not empty, but incomplete" in made_up.run()
    (made_up.root / "kept/postgresql-common.unfinished").touch()
    made_up.run()
    assert (data / "base").is_dir()
    assert (conf / "postgresql.conf").read_text() == "mine\n"


def test_the_configuration_of_an_earlier_cluster_stays(made_up: Machine) -> None:
    conf, data = cluster(made_up)
    (made_up.root / "broken").touch()
    assert "failed" in made_up.run()
    assert {each.name: each.read_text() for each in conf.iterdir() if each.suffix == ".conf"} == {
        "postgresql.conf": "mine\n",
        "pg_hba.conf": "mine\n",
        "mine.conf": "mine\n",
    }
    (made_up.root / "broken").unlink()
    assert "failed" not in made_up.run()
    assert (conf / "postgresql.conf.old").read_text() == "mine\n"
    assert (conf / "postgresql.conf").read_text() == "new\n"
    assert (data / "PG_VERSION").read_text() == "17\n"


def test_a_failure_removes_no_file_of_the_config(made_up: Machine) -> None:
    """Two keys of nsd are of the config, and the other two cannot be made."""
    root = from_notos(made_up, "nsd", **{"nsd-control-setup": "echo x >@/etc/nsd/nsd_control.key; exit 1"})
    keys = root / "etc/nsd"
    keys.mkdir(parents=True)
    for name in ("nsd_server.key", "nsd_server.pem"):
        (keys / name).write_text("mine")
    assert "failed" in made_up.run()
    assert sorted(each.name for each in keys.iterdir()) == ["nsd_server.key", "nsd_server.pem"]


def test_the_boot_after_an_interrupted_run_keeps_files_of_the_config(made_up: Machine) -> None:
    root = from_notos(made_up, "bind9", **{"rndc-confgen": "exit 1"})
    (root / "kept").mkdir()
    (root / "kept/bind9.unfinished").write_text(f"another-boot {root}/etc/bind/rndc.key\n")
    (root / "etc/bind").mkdir()
    (root / "etc/bind/rndc.key").write_text("mine")
    assert made_up.run() == ""
    assert (root / "etc/bind/rndc.key").read_text() == "mine"


def test_a_configuration_of_slapd_that_was_not_complete(made_up: Machine) -> None:
    """The directory from an earlier machine stays; a configuration that failed is not taken as made."""
    configuration = made_up.root / "etc/ldap/slapd.d"
    root = from_notos(
        made_up, "slapd", slappasswd="echo x", slapadd='touch "@/etc/ldap/slapd.d/cn=config.ldif"; exit 1'
    )
    (root / "usr/share/slapd").mkdir(parents=True)
    (root / "usr/share/slapd/slapd.init.ldif").touch()
    (root / "var/lib/ldap").mkdir(parents=True)
    (root / "var/lib/ldap/data.mdb").write_text("mine")
    (configuration / "cn=config").mkdir(parents=True)
    (configuration / "cn=config/mine.ldif").write_text("mine")
    for _ in range(2):
        assert "failed" in made_up.run()
        assert (root / "var/lib/ldap/data.mdb").read_text() == "mine"
        assert (configuration / "cn=config.old/mine.ldif").read_text() == "mine"
        assert not (configuration / "cn=config.ldif").exists()
