"""Services and timers from systemd units: Debian's nginx, a sandboxed service and a timer of the user."""

import re
import urllib.request

from notos.vm import Machine
from notos.vm.plugin import MachineFactory
from tests.conftest import Project

CONFIG = """
name: units
imports: [config.yaml]
nix: {enable: false}
disk: 64M
services:
  nginx: {set: {LimitNOFILE: 5000}}
  boxed: {unit: ./boxed.service, environment: {GREETING: two words}}
  failing: {unit: ./failing.service}
timers:
  job: {unit: ./job.timer}
vm: {forward: {2222: 22, 8080: 80}}
"""
FILES = {
    "boxed.service": """\
[Unit]
Requires=nginx.service
After=nginx.service
[Service]
Type=notify
NotifyAccess=all
DynamicUser=yes
StateDirectory=boxed
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
ExecStart=/opt/boxed
""",
    "failing.service": "[Service]\nRestart=on-failure\nExecStart=/bin/sh -c 'echo oh; exit 7'\n",
    "job.timer": "[Timer]\nOnBootSec=1\n",
    "job.service": "[Service]\nType=oneshot\nUser=nobody\nExecStart=/bin/sh -c 'id -un; exit 3'\n",
    "boxed": """\
#!/usr/bin/python3
\"\"\"Try what the unit forbids, write the results to the state folder, and report readiness.\"\"\"

import os
import socket
import time


def tried(function, *words):
    try:
        function(*words)
    except OSError as error:
        return error.strerror
    return "possible"


state = os.environ["STATE_DIRECTORY"]
results = {
    "usr": tried(open, "/usr/new", "w"),
    "etc": tried(open, "/etc/new", "w"),
    "home": tried(os.listdir, "/root"),
    "tmp": tried(open, "/tmp/new", "w"),
    "clock": tried(time.clock_settime, time.CLOCK_REALTIME, 0),
    "inet": tried(socket.socket, socket.AF_INET),
    "unix": tried(socket.socket, socket.AF_UNIX),
    "root": str(os.getuid() == 0),
    "greeting": os.environ["GREETING"],
}
with open(f"{state}/results", "w") as stream:
    stream.writelines(f"{name}={text}\\n" for name, text in results.items())
time.sleep(2)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(1e6)
""",
}
BOXED = """\
usr=Read-only file system
etc=Read-only file system
home=Permission denied
tmp=possible
clock=Operation not permitted
inet=Address family not supported by protocol
unix=possible
root=False
greeting=two words
"""


def test_units(built: Project, machine_factory: MachineFactory) -> None:
    for name, text in FILES.items():
        (built.root / name).write_text(text)
    config = f"{CONFIG}files: {{/opt/boxed: {{source: boxed, mode: '0755'}}}}\n"
    config += "system: {packages: [python3-minimal]}\n"
    machine = machine_factory.at(built.build("units", config).script)
    machine.wait_for_unit("nginx")
    page(machine)
    controls(machine)
    boxed(machine)
    machine.wait_until_succeeds("grep 'start requested too often' /var/log/failing/current")
    assert machine.succeed("sv status failing").startswith("down: failing: ")
    assert machine.succeed("grep -c oh /var/log/failing/current") == "5\n"
    machine.wait_until_succeeds("grep 'job: nobody' /var/log/timers/current", 120)
    machine.wait_until_succeeds("grep 'job: failed with status 3' /var/log/timers/current")
    assert machine.shutdown() == 0


def page(machine: Machine) -> None:
    """Check the page from outside, and that it runs as the unit says."""
    port = machine.wait_for_port(80)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        assert b"Welcome to nginx" in answer.read()
    (main,) = machine.succeed("cat /run/nginx.pid").split()
    assert "5000" in machine.succeed(f"grep 'Max open files' /proc/{main}/limits")
    assert main in machine.succeed("cat /sys/fs/cgroup/notos/nginx/cgroup.procs").split()


def controls(machine: Machine) -> None:
    """Check reload, restart, stop and start by sv, and a kill of run-unit. A stop also ends `boxed`."""
    machine.wait_for_unit("boxed")
    (main,) = machine.succeed("cat /run/nginx.pid").split()
    machine.succeed("sv reload nginx")
    machine.wait_until_succeeds("grep ^active /run/runit/nginx.unit/state")
    assert machine.succeed("cat /run/nginx.pid").split() == [main]
    machine.succeed("sv -w 60 restart nginx", "sv -w 60 check nginx")
    assert machine.succeed("cat /run/nginx.pid").split() != [main]
    machine.succeed("sv -w 60 stop nginx")
    machine.fail("busybox pidof nginx", "[ -e /run/runit/nginx.unit/ready ]")
    machine.wait_until_succeeds("sv status boxed | grep '^down'")
    machine.succeed("grep 'stopping with the service nginx' /var/log/boxed/current")
    machine.succeed("sv -w 60 start nginx", "sv -w 60 check nginx")
    machine.succeed("kill -KILL $(cat /run/runit/nginx/pid)")
    machine.wait_for_unit("nginx")
    machine.succeed("busybox wget -q -O /dev/null http://127.0.0.1/")


def boxed(machine: Machine) -> None:
    """Check the sandbox from inside; readiness comes after nginx."""
    machine.succeed("sv -w 120 start boxed")
    machine.wait_for_unit("boxed")
    assert machine.succeed("cat /var/lib/boxed/results") == BOXED
    machine.fail("[ -e /tmp/new ]")
    owner = machine.succeed("stat -c %u /var/lib/private/boxed")
    assert re.fullmatch("6[1-5][0-9]{3}\n", owner), "systemd's range of dynamic users"
