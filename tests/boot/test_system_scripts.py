"""A machine whose /usr, /opt, /etc and /var a script has changed."""

from notos.vm.plugin import MachineFactory
from tests.conftest import Project

CONFIG = """
name: scripted
imports: [examples/minimal.yaml]
files: {/usr/local/bin/greet: {text: "#!/bin/sh\\necho from files\\n", mode: "0755"}}
system:
  scripts:
    greeting:
      packages: [hello]
      run: |
        sed -i 's/files/a script/' /usr/local/bin/greet
        cp /usr/bin/hello /usr/local/bin
        mkdir -p /opt/app /var/lib/app
        echo opt >/opt/app/file
        echo state >/var/lib/app/file
        echo conf >/etc/app.conf
        chmod 600 /etc/app.conf /var/lib/app/file
        rm -r /etc/protocols /usr/share/terminfo/*
    telnet: sed -i '/^telnet/d' /etc/services
"""


def test_the_changes(built: Project, machine_factory: MachineFactory) -> None:
    machine = machine_factory.at(built.build("scripted", CONFIG).script)
    assert machine.succeed("/usr/local/bin/greet; /usr/local/bin/hello -g hi") == "from a script\nhi\n"
    assert machine.succeed("cat /opt/app/file /var/lib/app/file /etc/app.conf") == "opt\nstate\nconf\n"
    modes = machine.succeed("stat -c '%a %U' /etc/app.conf /var/lib/app/file /opt/app/file /etc/services")
    assert modes == "600 root\n600 root\n444 root\n444 root\n"
    machine.fail("ls /usr/bin/hello")
    machine.fail("ls /etc/protocols")
    machine.fail("grep ^telnet /etc/services")
    machine.succeed("grep ssh /etc/services; echo x >>/var/lib/app/file; echo x >>/etc/app.conf")
    assert machine.succeed("ls /usr/share/terminfo") == ""
