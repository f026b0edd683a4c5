"""Tasks for the running machine: log in, switch to the current build, return to an earlier generation."""

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

DRY_RUN = params(dry_run=(False, "only print the steps"))
SECONDS = 30  # timeout for an answer of the machine after a switch


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

    A machine that cannot be reached afterwards reverts by itself.
    """
    return {
        "actions": [action(switch)],
        "task_dep": ["toplevel", "tools:qemu"],
        "params": [
            *DRY_RUN,
            *params(force=(False, "switch even if the machine was built from another config")),
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
    """list the generations of the machine, or the differences between two"""
    return {
        "actions": [action(generations)],
        "task_dep": ["tools:qemu"],
        "pos_arg": "numbers",
        "params": options(HOST, PORT),
        "meta": usage(words="[A B]", example="1 2"),
    }


def address(host: str | None, port: int | None) -> "Address":
    """Return the machine's ssh address: --host and --port, by default a forwarded port of this host.

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
            raise MachineError(f"invalid SSH_PORT: {given}", hint=f"it must be {wants}")
        return Address("", given)
    forwarded = next((str(ours) for ours, guest in MACHINE.vm.forward.items() if guest == 22), "")
    if not forwarded:
        raise MachineError(
            "no port leads to the machine's ssh",
            hint="add 2222: 22 to vm.forward in the config",
        )
    return Address("", forwarded)


def log_in(words: list[str], host: str | None, port: int | None) -> None:
    """Replace this process with ssh, using the key that runvm.sh installs. Raises MachineError."""
    from notos import process
    from notos.live import ssh_key

    where = address(host, port)
    _wait(where)
    process.become([*ssh_key.login(CACHE, tools.tree("qemu"), where), *words])


def switch(dry_run: bool, force: bool, host: str | None, port: int | None, within: int | None) -> None:
    """Switch, and print the changes. Raises MachineError, also for a service that does not stay up."""
    from notos.live import changes, status
    from notos.live import switch as switching

    toplevel = project.get("toplevel")
    closure = project.STORE.closure([toplevel])
    with _connected(host, port) as remote:
        usr, opt = (changes.link(project.tree("toplevel"), name) for name in ("sw", "opt"))
        now = status.look(remote, [each.path for each in closure], usr, opt)
        if now.system == toplevel.path:
            print(f"{remote.address} runs {toplevel.path} already")
            return
        if not force:
            switching.check_name(now, MACHINE.name, remote.address)
        todo = switching.plan(remote, project.STORE, now, toplevel.path, closure)
        number = _turn(remote, now, todo, dry_run=dry_run, limit=within or SECONDS)
    if number:
        print(f"the next boot starts the system of the image: {command('runvm')} builds an image of this one")


def roll_back(dry_run: bool, to: int | None, host: str | None, port: int | None, within: int | None) -> None:
    """Return to an earlier generation, and print the changes. Raises MachineError."""
    from notos.errors import MachineError
    from notos.live import status
    from notos.live import switch as switching

    with _connected(host, port) as remote:
        now = status.look(remote)
        current = now.number(now.system)
        if to is None:
            before = [each for each in now.generations if each.number < current and each.path != now.system]
            if not before:
                raise MachineError(f"{remote.address} has no earlier generation", hint="./doit generations")
            target = before[-1]
        else:
            target = now.generation(to)
        if target.path == now.system:
            print(f"{remote.address} runs generation {target.number} already")
            return
        new = status.system(remote, project.STORE, target.path)
        now = status.look(remote, [target.path], new.usr, new.opt)
        if now.lacks:
            raise MachineError(f"generation {target.number} is not in the machine's store any more")
        todo = switching.plan(remote, project.STORE, now, target.path, generation=target.number)
        _turn(remote, now, todo, dry_run=dry_run, limit=within or SECONDS)


def generations(numbers: list[str], host: str | None, port: int | None) -> None:
    """Print the generations, or the differences between two. Raises MachineError."""
    from notos.errors import MachineError
    from notos.live import changes, status

    if len(numbers) not in (0, 2):
        raise MachineError("generations takes two numbers or none", hint="./doit generations 1 2")
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
            print(f"no generations yet, only the booted system: {now.booted}")


def _turn(remote: "Remote", now: "Running", todo: "Plan", *, dry_run: bool, limit: int) -> int:
    """Carry out a plan, or only print it if `dry_run`. Return the number of the generation.

    Raises MachineError, also if a service does not stay up after the switch.
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
        print("dry run: the machine is unchanged")
        return 0
    reporter.show(f"sending {todo.size / 1e6:.1f} MB …")
    switching.transfer(remote, project.STORE, now, todo.send)
    reporter.show("activating …")
    said = switching.turn(remote, todo, limit=limit)
    turned = time.monotonic()
    reporter.show("reconnecting …")
    anew = remotes.apart(CACHE, tools.tree("qemu"), remote.address, seconds=min(10, limit))
    number = switching.confirm(anew, todo, limit=limit)
    reporter.show("watching the services …")
    fallen = switching.settle(remote, anew, todo, since=turned)
    reporter.clear()
    for line in said:
        print(f"  {line}")
    seconds = time.monotonic() - started
    then = f"{command('generations')} lists them" if todo.generation else f"{command('rollback')} reverts it"
    print(f"switched in {seconds:.1f} s; this is generation {number}, and {then}")
    for each in fallen:
        for line in each.lines():
            print(f"  {line}")
    if fallen:
        names = ", ".join(each.name for each in fallen)
        raise MachineError(
            f"{remote.address} was switched, but these services do not stay up: {names}",
            hint="correct the config and switch again, or revert: ./doit rollback",
        )
    return number


def _print(rows: Iterable[tuple[str, str]]) -> None:
    lines = list(rows)
    for heading, text in lines:
        print(f"  {heading:<10} {text}")
    if not lines:
        print("  no differences in the running system")


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
    """Wait for a booting machine at a port of this host. Raises MachineError."""
    from notos.live import local_port

    if not where.host:
        local_port.wait(where, Path(RUNVM), lambda line: print(line, file=sys.stderr, flush=True))


def _number(text: str) -> int:
    from notos.errors import MachineError

    if not text.isdigit():
        raise MachineError(f"invalid generation: {text}", hint="./doit generations lists the numbers")
    return int(text)
