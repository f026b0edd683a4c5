"""PAM's common-* files, compared with pam-auth-update(8)."""

import subprocess
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.formats.tree import File, Tree
from notos.integration import pam
from notos.integration.model import Context
from tests.integration.packages import laid_out, script
from tests.signed_archive import Deb

UNIX = """Name: Unix authentication
Default: yes
Priority: 256
Auth-Type: Primary
Auth:
	[success=end default=ignore]	pam_unix.so nullok   try_first_pass
Auth-Initial:
	[success=end default=ignore]	pam_unix.so nullok
Account-Type: Primary
Account:
	[success=end new_authtok_reqd=done default=ignore]	pam_unix.so
Session-Type: Additional
Session:
	required	pam_unix.so
Password-Type: Primary
Password-Initial:
	[success=end default=ignore]	pam_unix.so obscure yescrypt
"""
OTHERS = {
    "ldap": "Name: LDAP\nDefault: yes\nPriority: 128\nConflicts: krb, sss\nAuth-Type: Primary\n"
    "Auth-Final:\n\t[success=end default=ignore]\tpam_ldap.so use_first_pass\n\n"
    "Session-Type: Additional\nSession:\n\toptional\tpam_ldap.so\n",
    "krb": "Name: Kerberos\nDefault: yes\nPriority: 64\nAuth-Type: Primary\nAuth:\n\trequired\tpam_krb.so\n",
    "shell": "Name: Shell\nDefault: yes\nPriority: 0\nSession-Interactive-Only: yes\n"
    "Session-Type: Additional\nSession:\n\t[success=end default=bad]\tpam_a.so x\n\toptional\tpam_b.so\n",
    "home": "Name: Home\nDefault: no\nPriority: 0\nSession-Type: Additional\n"
    "Session:\n\toptional\tpam_mkhomedir.so\n",
    "old": "Name: Old\nDefault: yes\nPriority: 900\nAuth-Type: Primary\nAuth:\n\trequired\tpam_tally.so\n",
}
REFERENCE = Path("/usr/sbin/pam-auth-update")
SILENT = ("version", "x_loadtemplatefile", "subst", "fset", "settitle", "input", "go")
TEMPLATES = {
    kind: f"# {kind}\n"
    '# here are the per-package modules (the "Primary" block)\n$primary\n'
    f"# here's the fallback if no module succeeds\n{kind.partition('-')[0]}\trequisite\tpam_deny.so\n"
    '# and here are more per-package modules (the "Additional" block)\n$additional\n'
    "# end of pam-auth-update config\n# local lines\n"
    for kind in pam.TYPES
}


def made(
    profiles: dict[str, str], templates: dict[str, str], context: Context | None = None
) -> dict[str, str]:
    """Return the files of `profiles` by type."""
    tree = Tree()
    for name, text in profiles.items():
        tree.text(f"usr/share/pam-configs/{name}", text)
    for kind, text in templates.items():
        tree.text(f"usr/share/pam/common-{kind}", text)
    pam.apply(tree, context or Context(AMD64, {}))
    found = {}
    for kind in templates:
        entry = tree.get(f"etc/pam.d/common-{kind}")
        assert isinstance(entry, File)
        found[kind] = entry.read().decode()
    return found


@pytest.mark.parametrize(
    "names", [("unix",), ("unix", "ldap", "krb"), ("unix", "shell", "home", "old"), ("krb", "shell")]
)
def test_the_files_are_those_of_pam_auth_update(tmp_path: Path, names: tuple[str, ...]) -> None:
    """This host's program runs with another root, and with debconf's default answers."""
    if not REFERENCE.exists():
        pytest.skip("this host has no pam-auth-update")
    profiles = {name: text for name, text in {"unix": UNIX, **OTHERS}.items() if name in names}
    for name, text in profiles.items():
        place = tmp_path / "usr/share/pam-configs" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (tmp_path / "usr/share/pam-configs").mkdir(parents=True, exist_ok=True)
    (tmp_path / "etc/pam.d").mkdir(parents=True)
    (tmp_path / "var/lib/pam").mkdir(parents=True)
    # Only the boilerplate of the templates on this host is known to the program.
    templates = {kind: Path(f"/usr/share/pam/common-{kind}").read_text() for kind in pam.TYPES}
    for kind, text in templates.items():
        (tmp_path / f"etc/pam.d/common-{kind}").write_text(text)
    fake = tmp_path / "perl/Debconf/Client"
    fake.mkdir(parents=True)
    (fake / "ConfModule.pm").write_text(
        "package Debconf::Client::ConfModule;\nuse Exporter 'import';\n"
        "our @EXPORT_OK = qw(version capb x_loadtemplatefile subst get set fset settitle input go);\n"
        "our %EXPORT_TAGS = (all => \\@EXPORT_OK);\nmy %v;\n"
        "sub get { return $v{$_[0]} // '' } sub set { $v{$_[0]} = $_[1] }\n"
        + "".join(f"sub {name} {{}}\n" for name in SILENT)
        + "sub capb { return '' }\n1;\n"
    )
    command = [
        "perl",
        f"-I{tmp_path / 'perl'}",
        str(REFERENCE),
        "--package",
        "--force",
        "--root",
        str(tmp_path),
    ]
    subprocess.run(command, check=True, timeout=60)
    theirs = {kind: (tmp_path / f"etc/pam.d/common-{kind}").read_text() for kind in pam.TYPES}
    assert made(profiles, templates) == theirs


def test_a_block_without_profiles_succeeds() -> None:
    assert "auth\t[default=1]\t\t\tpam_permit.so\n" in made({}, TEMPLATES)["auth"]


def test_scripts_enable_and_disable_profiles(tmp_path: Path) -> None:
    home = Deb("home", scripts={"postinst": script("pam-auth-update --package --enable home --disable unix")})
    _, context = laid_out(tmp_path, [home])
    text = made({"unix": UNIX, **OTHERS}, TEMPLATES, context)["session"]
    assert "pam_mkhomedir.so" in text
    assert "pam_unix.so" not in text


def test_a_machine_without_pam_gets_nothing() -> None:
    tree = Tree()
    pam.apply(tree, Context(AMD64, {}))
    assert len(tree) == 0
