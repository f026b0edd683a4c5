"""What Debian's packages expect of a machine, used in one by their programs."""

import pytest

from notos.vm import Machine
from notos.vm.plugin import MachineFactory

PACKAGES = """
bash ca-certificates cron desktop-file-utils fakeroot fontconfig fonts-dejavu-core gsettings-desktop-schemas
libgdk-pixbuf2.0-bin libglib2.0-bin librsvg2-common openssl python3 samba shared-mime-info sudo
"""
# The password is "secret".
HASH = "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG."
# It signs itself, and is valid for 100 years.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBODCB66ADAgECAhQhMAt1BW+0NiF8FwQQ2etpz68r7jAFBgMrZXAwETEPMA0G
A1UEAwwGT3duIENBMCAXDTI2MTEyNzA4NDMxM1oYDzIxMjYxMTAzMDg0MzEzWjAR
MQ8wDQYDVQQDDAZPd24gQ0EwKjAFBgMrZXADIQACFV5rixqY0Un/B0+kcqGqoSvI
SwaZD5jKdJ4ZqfEDDKNTMFEwHQYDVR0OBBYEFOgvH8bmEUEkJ/mNUxmaVshJ6gaY
MB8GA1UdIwQYMBaAFOgvH8bmEUEkJ/mNUxmaVshJ6gaYMA8GA1UdEwEB/wQFMAMB
Af8wBQYDK2VwA0EA2/I2FIOxHIkZPMlZD5ATvPn36nkXKrI6PodLTSyg2aWzWELb
1XzSamC7kaEzK0Z5RSL5Ov5SbQbzgR7aLJtJDg==
-----END CERTIFICATE-----
"""
# Check the password of the user who runs it, by PAM's C functions.
CHECK = r"""
import ctypes, os, pwd, sys
pam, libc = ctypes.CDLL("libpam.so.0"), ctypes.CDLL("libc.so.6")
libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p

class Response(ctypes.Structure):
    _fields_ = [("text", ctypes.c_void_p), ("code", ctypes.c_int)]

ANSWERS = ctypes.POINTER(ctypes.c_void_p)
TALK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ANSWERS, ctypes.c_void_p)

@TALK
def talk(count, messages, answers, data):
    place = libc.calloc(count, ctypes.sizeof(Response))
    for each in (Response * count).from_address(place):
        each.text = libc.strdup(sys.argv[1].encode())
    answers[0] = place
    return 0

class Conversation(ctypes.Structure):
    _fields_ = [("talk", TALK), ("data", ctypes.c_void_p)]

handle = ctypes.c_void_p()
conversation = Conversation(talk, None)
name = pwd.getpwuid(os.getuid()).pw_name.encode()
assert pam.pam_start(b"login", name, ctypes.byref(conversation), ctypes.byref(handle)) == 0
sys.exit(pam.pam_authenticate(handle, 0))
"""
FOLDERS = """
755 root:root /home
755 root:root /media
755 root:root /mnt
755 root:root /opt
755 root:root /srv
755 root:root /usr/local/bin
755 root:root /var/backups
755 root:root /var/lib/misc
2775 root:staff /var/local
2775 root:mail /var/mail
755 root:root /var/opt
755 root:root /var/spool
1777 root:root /var/lock/
1777 root:root /var/tmp
1777 root:root /tmp
700 root:root /root
"""


@pytest.fixture(scope="module")
def machine(machine_factory: MachineFactory) -> Machine:
    keys = {
        "system": {"packages": PACKAGES.split()},
        "users": {"alice": {"password_hash": HASH, "shell": "/bin/bash"}},
        "files": {
            "/usr/local/share/ca-certificates/own.crt": {"text": CERTIFICATE},
            "/usr/local/bin/check-password": {"text": f"#!/usr/bin/python3\n{CHECK}", "mode": "0755"},
            "/usr/local/share/drawing.svg": {
                "text": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>\n'
            },
        },
        "vm": {"memory": 768},
    }
    return machine_factory("examples/minimal.yaml", keys, scope="module")


def test_folders_of_base_files(machine: Machine) -> None:
    expected = FOLDERS.strip()
    paths = " ".join(line.split()[-1] for line in expected.splitlines())
    assert machine.succeed(f"stat -c '%a %U:%G %n' {paths}").strip() == expected
    assert machine.succeed("readlink /var/spool/mail /var/run /var/lock").split() == [
        "../mail",
        "/run",
        "/run/lock",
    ]


def test_a_user_who_is_not_root_can_check_a_password(machine: Machine) -> None:
    assert machine.succeed("stat -c '%a %U:%G' /etc/shadow /usr/sbin/unix_chkpwd -L").split("\n")[:2] == [
        "640 root:shadow",
        "2755 root:shadow",
    ]
    machine.succeed("su alice -c 'check-password secret'")
    machine.fail("su alice -c 'check-password wrong'")
    machine.fail("su alice -c 'cat /etc/shadow'")


def test_a_home_has_the_files_of_skel(machine: Machine) -> None:
    assert machine.succeed("ls -A /home/alice").split() == [".bash_logout", ".bashrc", ".profile"]
    assert "cron" in machine.succeed("ls /etc/default")


def test_libraries_in_folders_of_ld_so_conf(machine: Machine) -> None:
    machine.succeed("python3 -c 'import ctypes; ctypes.CDLL(\"libfakeroot-0.so\")'")


def test_openssl_trusts_the_certificates_of_the_config(machine: Machine) -> None:
    own = "/usr/local/share/ca-certificates/own.crt"
    for option in (
        "-CApath /etc/ssl/certs -no-CAfile -no-CAstore",
        "-CAfile /etc/ssl/certs/ca-certificates.crt",
        "",
    ):
        machine.succeed(f"openssl verify {option} {own}")
    assert machine.succeed(
        "python3 -c 'import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 100)'"
    ) == ("True\n")


def test_databases(machine: Machine) -> None:
    drawing = "/usr/local/share/drawing.svg"
    assert "image/svg+xml" in machine.succeed(f"gio info -a standard::content-type {drawing}")
    assert machine.succeed("gsettings get org.gnome.desktop.interface clock-format").strip() == "'24h'"
    machine.succeed(f"gdk-pixbuf-thumbnailer {drawing} /tmp/drawing.png && test -s /tmp/drawing.png")
    assert "DejaVu Sans" in machine.succeed("fc-match sans-serif")


def test_samba_has_its_character_set(machine: Machine) -> None:
    assert "CP850" not in machine.succeed("testparm -s 2>&1")
