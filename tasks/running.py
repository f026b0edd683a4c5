"""The running machine: logging in, switching it to what is built, going back."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import project, reporter, tools
from tasks.config import CACHE, MACHINE
from tasks.graph import Task, action, params
from tasks.image import RUNVM
from tasks.usage import GENERATION, HOST, PORT, WITHIN, command, options, usage

if TYPE_CHECKING:
    from notos.live.ssh import Remote
    from notos.live.ssh_key import Address
    from notos.live.status import Running
    from notos.live.switch import Plan

DRY_RUN = params(dry_run=(False, "only say what it would do"))
SECONDS = 30  # within which the machine has to answer after a switch


def task_ssh() -> Task:
    """log in to the running machine, or run a command in it

    Options of this task go before the command.
    """
    return {
        "actions": [action(log_in)],
        "task_dep": ["tools:qemu"],
        "pos_arg": "words",
        "params": options(HOST, PORT),
        "meta": usage(words="[COMMAND]", example="'sv status sshd'", piped=True),
        "verbosity": 2,
    }


def task_switch() -> Task:
    """switch the running machine to the current build, without a reboot

    A machine that does not answer afterwards reverts by itself.
    """
    return {
        "actions": [action(switch)],
        "task_dep": ["toplevel", "tools:qemu"],
        "params": [
            *DRY_RUN,
            *params(force=(False, "also if the machine was made from another config")),
            *options(HOST, PORT, WITHIN),
        ],
        "meta": usage(example="--dry-run"),
    }


def task_rollback() -> Task:
    """return the running machine to an earlier generation"""
    return {
        "actions": [action(roll_back)],
        "task_dep": ["tools:qemu"],
        "params": [*DRY_RUN, *options(GENERATION, HOST, PORT, WITHIN)],
        "meta": usage(example="--to 1"),
    }


def task_generations() -> Task:
    """list the systems that the machine had, or what changed between two"""
    return {
        "actions": [action(generations)],
        "task_dep": ["tools:qemu"],
        "pos_arg": "numbers",
        "params": options(HOST, PORT),
        "meta": usage(words="[A B]", example="1 2"),
    }


def address(host: str | None, port: int | None) -> "Address":
    """Return where the machine is: at --host and --port, else behind a port of this host.

    Raises MachineError.
    """
    from notos.errors import MachineError
    from notos.live.ssh_key import Address

    if port:
        return Address(host or "", str(port))
    if host:
        return Address(host, "22")
    if given := os.environ.get("SSH_PORT", ""):
        if wants := PORT.wants(given):
            raise MachineError(f"invalid SSH_PORT: {given}", hint=f"it wants {wants}")
        return Address("", given)
    forwarded = next((str(ours) for ours, guest in MACHINE.vm.forward.items() if guest == 22), "")
    if not forwarded:
        raise MachineError(
            "no port leads to the machine's ssh", hint="add 2222: 22 to vm.forward in the config"
        )
    return Address("", forwarded)


def log_in(words: list[str], host: str | None, port: int | None) -> None:
    """Run ssh in place of doit, with the key that runvm.sh handed to the machine. Raises MachineError."""
    from notos import process
    from notos.live import ssh_key

    where = address(host, port)
    _wait(where)
    process.become([*ssh_key.login(CACHE, tools.tree("qemu"), where), *words])


def switch(dry_run: bool, force: bool, host: str | None, port: int | None, within: int | None) -> None:
    """Switch, and say what that did. Raises MachineError, also where a service does not stay up."""
    from notos.live import status
    from notos.live import switch as switching

    toplevel = project.get("toplevel")
    closure = project.STORE.closure([toplevel])
    with _connected(host, port) as remote:
        now = status.look(remote, [each.path for each in closure], project.get("system-path").path)
        if now.system == toplevel.path:
            print(f"{remote.address} runs {toplevel.path} already")
            return
        if not force:
            switching.check_name(now, MACHINE.name, remote.address)
        todo = switching.plan(remote, project.STORE, now, toplevel.path, closure)
        number = _turn(remote, now, todo, dry_run=dry_run, limit=within or SECONDS)
    if number:
        print(f"a boot has its image's system again: {command('runvm')} makes an image of this one")


def roll_back(dry_run: bool, to: int | None, host: str | None, port: int | None, within: int | None) -> None:
    """Go back, and say what that did. Raises MachineError."""
    from notos.errors import MachineError
    from notos.live import status
    from notos.live import switch as switching

    with _connected(host, port) as remote:
        now = status.look(remote)
        current = now.number(now.system)
        if to is None:
            before = [each for each in now.generations if each.number < current and each.path != now.system]
            if not before:
                raise MachineError(
                    f"{remote.address} has no generation before the present one", hint="./doit generations"
                )
            target = before[-1]
        else:
            target = now.generation(to)
        if target.path == now.system:
            print(f"{remote.address} runs generation {target.number} already")
            return
        new = status.system(remote, project.STORE, target.path)
        now = status.look(remote, [target.path], new.usr)
        if now.lacks:
            raise MachineError(f"generation {target.number} is not in the machine's store any more")
        todo = switching.plan(remote, project.STORE, now, target.path, generation=target.number)
        _turn(remote, now, todo, dry_run=dry_run, limit=within or SECONDS)


def generations(numbers: list[str], host: str | None, port: int | None) -> None:
    """Print the list, or what changed. Raises MachineError."""
    from notos.errors import MachineError
    from notos.live import changes, status

    if len(numbers) not in (0, 2):
        raise MachineError("generations wants two numbers, or none", hint="./doit generations 1 2")
    with _connected(host, port) as remote:
        now = status.look(remote)
        if numbers:
            old, new = (
                status.system(remote, project.STORE, now.generation(_number(each)).path) for each in numbers
            )
            _print(changes.between(old, new, {}).lines())
            return
        for each in now.generations:
            marks = [
                word for word, path in (("runs", now.system), ("booted", now.booted)) if path == each.path
            ]
            print(f"{each.number:>4}  {each.date}  {each.path}  {', '.join(marks)}".rstrip())
        if not now.generations:
            print(f"there are none yet but what was booted, {now.booted}")


def _turn(remote: "Remote", now: "Running", todo: "Plan", *, dry_run: bool, limit: int) -> int:
    """Do what is to be done, or only say so; the generation's number.

    Raises MachineError, also where the switch is done and a service does not stay up.
    """
    from notos.errors import MachineError
    from notos.live import ssh as remotes
    from notos.live import switch as switching

    started = time.monotonic()
    print(f"{remote.address}: {todo.old.path}\n{' ' * len(str(remote.address))}  {todo.new.path}")
    _print([*todo.changes.lines(), *todo.changes.steps()])
    if todo.send:
        print(f"  {'send':<10} {len(todo.send)} objects, {todo.size / 1e6:.1f} MB")
    if dry_run:
        print("nothing was done")
        return 0
    reporter.show(f"sending {todo.size / 1e6:.1f} MB …")
    switching.transfer(remote, project.STORE, now, todo.send)
    reporter.show("turning over …")
    said = switching.turn(remote, todo, limit=limit)
    turned = time.monotonic()
    reporter.show("connecting anew …")
    anew = remotes.apart(CACHE, tools.tree("qemu"), remote.address, seconds=min(10, limit))
    number = switching.confirm(anew, todo, limit=limit)
    reporter.show("watching the services …")
    fallen = switching.settle(remote, anew, todo, since=turned)
    reporter.clear()
    for line in said:
        print(f"  {line}")
    seconds = time.monotonic() - started
    then = f"{command('generations')} lists them" if todo.generation else f"{command('rollback')} goes back"
    print(f"switched in {seconds:.1f} s; this is generation {number}, and {then}")
    for each in fallen:
        for line in each.lines():
            print(f"  {line}")
    if fallen:
        names = ", ".join(each.name for each in fallen)
        raise MachineError(
            f"{remote.address} was switched, but these services do not stay up: {names}",
            hint="mend the config and switch again, or go back: ./doit rollback",
        )
    return number


def _print(rows: Iterable[tuple[str, str]]) -> None:
    lines = list(rows)
    for heading, text in lines:
        print(f"  {heading:<10} {text}")
    if not lines:
        print("  nothing differs that a running machine has")


@contextmanager
def _connected(host: str | None, port: int | None) -> Iterator["Remote"]:
    from notos.live import ssh as remotes

    where = address(host, port)
    _wait(where)
    reporter.show(f"connecting to {where} …")
    with remotes.connected(CACHE, tools.tree("qemu"), where) as remote:
        reporter.clear()
        yield remote


def _wait(where: "Address") -> None:
    """Wait for a machine behind a port of this host that still boots. Raises MachineError."""
    from notos.live import local_port

    if not where.host:
        local_port.wait(where, Path(RUNVM), lambda line: print(line, file=sys.stderr, flush=True))


def _number(text: str) -> int:
    from notos.errors import MachineError

    if not text.isdigit():
        raise MachineError(f"{text} is no number", hint="./doit generations lists them")
    return int(text)
