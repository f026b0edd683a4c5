"""A machine with what the others leave out: dhcp, services of its own, logs, modes, modules, a kept key."""

import re
from pathlib import Path

from tests.boot.console import Console
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


def test_features(built: Project, tmp_path: Path) -> None:
    (built.root / "features.yaml").write_text(CONFIG)
    built.doit("config=features.yaml", "runvm")
    script = built.root / "build/features/runvm.sh"
    with Console(script, project=built, config="features.yaml") as console:
        console.wait_for("Asking for an IP address")
        console.wait_for_ssh()
        assert console.ssh("hostname") == "other\n"
        assert console.ssh("cat /etc/resolv.conf") == "nameserver 10.0.2.3\n"
        assert "10.0.2.15" in console.ssh("ip address show eth0")
        assert console.ssh("stat -c %a /etc/secret; /etc/hello.sh").split() == ["600", "hello"]
        assert console.ssh("stat -c '%a %U' /var/lib/web").split() == ["750", "web"]
        assert "dummy" in console.ssh("modprobe dummy && lsmod")
        assert re.search(r"^run: web: .*run: log: ", console.ssh("sv status web"), re.MULTILINE)
        log = console.ssh("for i in 1 2 3 4 5; do grep starting /var/log/web/current && break; sleep 1; done")
        assert re.match(r"\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d\.\d+ starting\n", log)
        console.ssh("poweroff", check=False)
        assert console.end() == 0
