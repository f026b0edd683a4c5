"""Machine states and switches with made-up machines; tests/machines/test_switch.py has real ones."""

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from notos.errors import MachineError
from notos.formats.tree import File, Symlink, Tree
from notos.live import status, switch
from notos.live.ssh import LOST, problem
from notos.live.ssh_key import Address
from notos.process import Ended
from notos.store.store import Store

SYSTEM = "/nix/store/" + "a" * 32 + "-toplevel"
OTHER = "/nix/store/" + "b" * 32 + "-toplevel"
USR = "/nix/store/" + "c" * 32 + "-system-path"
NEW_USR = "/nix/store/" + "d" * 32 + "-system-path"
FILES = "/nix/store/" + "f" * 32 + "-files"
STATE = f"""\
system {SYSTEM}
name box
booted {OTHER}
room 1000000
store nix
lacks {OTHER}
profile system-10-link
generation 1790000000 '/nix/var/nix/profiles/system-10-link' -> '{SYSTEM}'
generation 1780000000 '/nix/var/nix/profiles/system-9-link' -> '{OTHER}'
generation 1780000000 '/nix/var/nix/profiles/system-1-link' -> '{SYSTEM}'
uses sshd {USR}/sbin/sshd
uses sshd {USR}/lib/libx.so.1
uses web {FILES}/opt/web/
"""


@dataclass
class Machine:
    """A stand-in for a machine: it gives prepared answers and records the scripts."""

    answers: list[Ended]
    address: Address = Address("", "2222")
    scripts: list[str] = field(default_factory=list)
    got: bytes = b""

    def call(self, script: str, pieces: Iterable[bytes] = ()) -> Ended:
        self.scripts.append(script)
        self.got = b"".join(pieces)
        return self.answers.pop(0)

    def run(self, script: str) -> str:
        done = self.call(script)
        if done.status:
            raise problem(self.address, done)
        return done.out.decode()


def answer(text: str | bytes = "", status: int = 0, err: str = "") -> Ended:
    return Ended(status, text.encode() if isinstance(text, str) else text, err)


def test_look() -> None:
    machine = Machine([answer(STATE)])
    found = status.look(machine, [OTHER, SYSTEM], NEW_USR, f"{FILES}/opt")  # type: ignore[arg-type]
    assert f"paths='{OTHER} {SYSTEM}'\nusr={NEW_USR}\nopt={FILES}/opt\n" in machine.scripts[0]
    assert (found.system, found.booted, found.room, found.nix) == (SYSTEM, OTHER, 1000000, True)
    assert found.name == "box"
    assert found.lacks == [OTHER]
    assert [each.number for each in found.generations] == [1, 9, 10]
    assert found.number(SYSTEM) == 10
    assert found.number(USR) == 0
    assert found.generation(9).path == OTHER
    assert found.generation(9).date.startswith("2026-05-2")
    assert found.uses == {
        "sshd": [f"{USR}/sbin/sshd", f"{USR}/lib/libx.so.1"],
        "web": [f"{FILES}/opt/web/"],
    }


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            STATE.replace("store nix", "store unknown"),
            "the running system is not in its Nix database: is its daemon down",
        ),
        ("trouble error: database is locked\n", "its Nix cannot list its store: error: database is locked"),
        ("hello\n", "is not a Notos machine: no /run/current-system"),
        ("system /run/current-system\nstore plain\n", "is not a Notos machine: no /run/current-system"),
        (STATE.replace("booted", "other"), "is not a Notos machine: its state is incomplete"),
        (STATE.replace("system-9-link' ->", "system' ->"), "is not a Notos machine"),
    ],
)
def test_errors_in_a_state(output: str, message: str) -> None:
    with pytest.raises(MachineError, match=message):
        status.look(Machine([answer(output)]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "err", "message"),
    [
        (LOST, "ssh: connect to host 127.0.0.1 port 2222: Connection refused\n", "does not answer .*refused"),
        (LOST, "Connection closed by 127.0.0.1 port 2222\n", "does not answer"),
        (LOST, "@@@@@\n@ WARNING\nHost key verification failed.\n", "its host key does not match"),
        (LOST, "root@127.0.0.1: Permission denied (publickey).\n", "rejects your ssh keys for root"),
        (LOST, "", "does not answer: start the machine"),
        (2, "first\nsecond\n", "^127.0.0.1:2222: second$"),
        (2, "", "exit status 2"),
    ],
)
def test_failed_connections(code: int, err: str, message: str) -> None:
    with pytest.raises(MachineError, match=message):
        raise problem(Address("", "2222"), answer("", code, err))


def test_a_system_that_only_the_machine_has(tmp_path: Path) -> None:
    """Trees that the local store lacks come from the machine as archives, made by its busybox."""
    runit = "/nix/store/" + "e" * 32 + "-runit"
    toplevel, services = Tree(), Tree()
    toplevel.symlink("sw", USR)
    toplevel.symlink("etc/runit/services", f"{runit}/services")
    toplevel.text("etc/motd", "hello")
    services.text("services/web/run", "x", executable=True)
    (tmp_path / "store").mkdir()
    machine = Machine(
        [answer(archive(tmp_path / name, tree)) for name, tree in (("t", toplevel), ("r", services))]
    )
    found = status.system(machine, Store(tmp_path / "store"), SYSTEM)  # type: ignore[arg-type]
    assert (found.usr, found.services) == (USR, ["web"])
    entry = found.toplevel.get("etc/motd")
    assert isinstance(entry, File) and entry.read() == b"hello"
    assert found.runit.get("services/web/run").executable  # type: ignore[union-attr]
    assert found.toplevel.get("sw") == Symlink(USR)
    with pytest.raises(MachineError, match="is no longer in its store"):
        status.system(Machine([answer("", 1)]), Store(tmp_path / "store"), SYSTEM)  # type: ignore[arg-type]


def archive(folder: Path, tree: Tree) -> bytes:
    folder.mkdir()
    tree.write_to(folder)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.add(folder, ".")
    return out.getvalue()


def test_a_service_restarts_if_an_open_file_changes(tmp_path: Path) -> None:
    """Files are compared by content, read from the local store or else from the machine."""
    now, store, new = scene(tmp_path)
    hashes = "".join(f"{'1' * 64}  {USR}/{name}\n" for name in ("sbin/sshd", "lib/libx.so.1"))
    machine = Machine([answer(hashes, 1)])
    plan = switch.plan(machine, store, now, new)  # type: ignore[arg-type]
    assert plan.changes.restarted == {"sshd": "/usr/lib/libx.so.1, /usr/sbin/sshd"}
    assert machine.scripts == [f"exec sha256sum {USR}/lib/libx.so.1 {USR}/sbin/sshd"]
    same = Tree()
    same.text("sbin/sshd", "sshd", executable=True)
    same.text("lib/libx.so.1.2", "another", executable=True)
    same.symlink("lib/libx.so.1", "libx.so.1.2")
    (store.root / USR[11:]).mkdir()
    same.write_to(store.root / USR[11:])
    plan = switch.plan(Machine([]), store, now, new)  # type: ignore[arg-type]
    assert plan.changes.restarted == {"sshd": "/usr/lib/libx.so.1"}


def test_a_service_restarts_if_its_current_folder_changes(tmp_path: Path) -> None:
    """It would stay in the folder of the old system. Programs in /opt count as those in /usr."""
    files = ["/nix/store/" + letter * 32 + "-files" for letter in "ef"]
    runit, services = "/nix/store/" + "c" * 32 + "-runit", Tree()
    for name in ("web", "program", "other"):
        services.text(f"services/{name}/run", "x", executable=True)
    trees = {runit: services}
    for path, text, system in zip(files, ("old", "new"), (SYSTEM, OTHER), strict=True):
        trees[path], trees[system] = Tree(), Tree()
        trees[path].text("opt/web/app.py", text)
        trees[path].text("opt/program", text, executable=True)
        trees[path].text("opt/same/data", "same")
        trees[system].symlink("sw", USR)
        trees[system].symlink("opt", f"{path}/opt")
        trees[system].symlink("etc/runit/services", f"{runit}/services")
    store = Store(tmp_path / "store")
    for path, tree in trees.items():
        (store.root / path[11:]).mkdir(parents=True)
        tree.write_to(store.root / path[11:])
    used = {"web": "web/", "program": "program", "other": "same/"}
    lines = "".join(f"uses {name} {files[0]}/opt/{path}\n" for name, path in used.items())
    now = status.look(Machine([answer(STATE + lines)]))  # type: ignore[arg-type]
    plan = switch.plan(Machine([]), store, now, OTHER)  # type: ignore[arg-type]
    assert plan.changes.restarted == {"web": "/opt/web/app.py", "program": "/opt/program"}


def scene(tmp_path: Path) -> tuple[status.Running, Store, str]:
    """Return a machine with a service, a store without the machine's /usr, and a system with another /usr."""
    store = Store(tmp_path / "store")
    runit = "/nix/store/" + "e" * 32 + "-runit"
    usr, services = Tree(), Tree()
    usr.text("sbin/sshd", "sshd", executable=True)
    usr.text("lib/libx.so.1", "x", executable=True)
    services.text("services/sshd/run", "x", executable=True)
    for path, sw in ((SYSTEM, USR), (OTHER, NEW_USR)):
        toplevel = Tree()
        toplevel.symlink("sw", sw)
        toplevel.symlink("etc/runit/services", f"{runit}/services")
        (store.root / path[11:]).mkdir(parents=True)
        toplevel.write_to(store.root / path[11:])
    for path, tree in ((NEW_USR, usr), (runit, services)):
        (store.root / path[11:]).mkdir()
        tree.write_to(store.root / path[11:])
    now = status.look(Machine([answer(STATE)]))  # type: ignore[arg-type]
    return now, store, OTHER


def test_results_of_a_switch(tmp_path: Path) -> None:
    now, store, new = scene(tmp_path)
    plan = switch.plan(Machine([answer("")]), store, now, new, generation=9)  # type: ignore[arg-type]
    machine = Machine([answer("setting up /etc...\nthe service web does not run\n")])
    assert switch.turn(machine, plan, limit=7) == ["the service web does not run"]  # type: ignore[arg-type]
    sent = machine.got.decode()
    for line in (f"old={SYSTEM}", f"new={OTHER}", "stop=sshd", "start=sshd", "limit=7", "generation=9"):
        assert f"\n{line}\n" in sent
    for done, message in (
        (
            answer("", LOST),
            "connection lost during the switch: if the machine still runs, it reverts by itself within 7",
        ),
        (answer("", 3, "another switch is under way there\n"), "another switch is under way there"),
        (answer("setting up /etc...\nno\n", 1), "the switch failed, the old system still runs: no$"),
        (answer("", 1), "still runs: exit status 1"),
    ):
        with pytest.raises(MachineError, match=message):
            switch.turn(Machine([done]), plan, limit=7)  # type: ignore[arg-type]


def test_failed_services(tmp_path: Path) -> None:
    """Services are watched over the present connection, or over a new one if the switch ended it."""
    now, store, new = scene(tmp_path)
    plan = switch.plan(Machine([answer("")]), store, now, new)  # type: ignore[arg-type]
    output = "fallen web 3\nsaid web no folder\nsaid web 50%\r100%\u2028\x0cdone\nsaid web \nfallen own \n"
    logged = ["no folder", "50%\r100%\u2028\x0cdone", ""]
    failed = [switch.FailedService("own", "", []), switch.FailedService("web", "3", logged)]
    old = Machine([answer(output)])
    assert switch.settle(old, Machine([]), plan, since=0) == failed  # type: ignore[arg-type]
    assert "\nservices=sshd\n" in old.scripts[0]
    assert "\nmoment=6\n" in old.scripts[0]
    both = Machine([answer("", LOST)]), Machine([answer(output)])
    assert switch.settle(*both, plan, since=0) == failed  # type: ignore[arg-type]
    assert list(failed[1].lines()) == [
        "web does not stay up: exit status 3",
        *(f"| {each}" for each in logged),
    ]


def test_a_machine_of_another_config(tmp_path: Path) -> None:
    now, _, _ = scene(tmp_path)
    switch.check_name(now, "box", Address("", "2222"))
    with pytest.raises(
        MachineError, match=r"127\.0\.0\.1:2222 is the machine box, but this config is for fox"
    ):
        switch.check_name(now, "fox", Address("", "2222"))
    unknown = status.look(Machine([answer(STATE.replace("name box\n", ""))]))  # type: ignore[arg-type]
    switch.check_name(unknown, "fox", Address("", "2222"))


def test_confirming_waits_for_ssh_to_come_back(tmp_path: Path) -> None:
    now, store, new = scene(tmp_path)
    plan = switch.plan(Machine([answer("")]), store, now, new)  # type: ignore[arg-type]
    waits: list[float] = []
    machine = Machine([answer("", LOST), answer("", LOST), answer("4\n")])
    assert switch.confirm(machine, plan, limit=5, wait=waits.append) == 4  # type: ignore[arg-type]
    assert len(waits) == 2
    with pytest.raises(MachineError, match=r"was not confirmed within 5 s, so the machine reverts: too late"):
        switch.confirm(Machine([answer("", 3)]), plan, limit=5)  # type: ignore[arg-type]
    with pytest.raises(MachineError, match=r"was not confirmed within 0 s, .*does not answer"):
        switch.confirm(Machine([]), plan, limit=0)  # type: ignore[arg-type]
