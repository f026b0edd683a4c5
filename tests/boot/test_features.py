"""A machine with features that the others lack: dhcp, own services, logs, modes, modules, a kept key."""

import re

from notos.vm.plugin import MachineFactory
from tests.conftest import Project

CONFIG = """
name: features
imports: [examples/minimal.yaml]
network: dhcp
hostname: other
kernel:
  system_modules: [dummy]
etc:
  secret: {text: hidden, mode: "0600"}
  hello.sh: {text: "#!/bin/sh\\necho hello\\n", mode: "0755"}
  tmpfiles.d/web.conf: {text: "d /var/lib/web 0750 web web\\n"}
  sysusers.d/web.conf: {text: "u web - - /var/lib/web\\n"}
services:
  web:
    run: |
      echo starting
      exec nc -l -p 8080 -e /etc/hello.sh
    log: true
"""


def test_features(built: Project, machine_factory: MachineFactory) -> None:
    machine = machine_factory.at(built.build("features", CONFIG).script)
    machine.wait_for_console("Requesting an IP address")
    assert machine.succeed("hostname") == "other\n"
    assert machine.succeed("cat /etc/resolv.conf") == "nameserver 10.0.2.3\n"
    assert "10.0.2.15" in machine.succeed("ip address show eth0")
    assert machine.succeed("stat -c %a /etc/secret; /etc/hello.sh").split() == ["600", "hello"]
    assert machine.succeed("stat -c '%a %U' /var/lib/web").split() == ["750", "web"]
    assert "dummy" in machine.succeed("modprobe dummy && lsmod")
    machine.wait_for_unit("web")
    assert re.search(r"^run: web: .*run: log: ", machine.succeed("sv status web"), re.MULTILINE)
    log = machine.wait_until_succeeds("grep starting /var/log/web/current")
    assert re.match(r"\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d\.\d+ starting\n", log)
    assert machine.shutdown() == 0
