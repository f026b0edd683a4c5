"""Folders, owners and modes that maintainer scripts set."""

import json
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.features.model import Features
from notos.formats.tree import File, Symlink, Tree
from notos.integration import not_done, permissions, registry
from notos.system import etc, toplevel
from tests.integration.packages import laid_out, script
from tests.integration.test_accounts import BASE, text
from tests.signed_archive import Deb


def applied(folder: Path, *lines: str, files: dict[str, bytes | str] | None = None) -> Tree:
    made = Deb("made-up", files=files or {}, scripts={"postinst": script(*lines)})
    tree, context = laid_out(folder, [BASE, made])
    registry.apply(tree, context)
    return tree


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["mkdir -p /var/lib/a/"], ['d "/var/lib/a" 0755 - -']),
        (["mkdir -p -m 700 /var/lib/a", "chown root:adm /var/lib/a"], ['d "/var/lib/a" 0700 root adm']),
        (
            ["install -d -o root -gadm -m2750 /var/a /run/b"],
            ['d "/run/b" 2750 root adm', 'd "/var/a" 2750 root adm'],
        ),
        (
            ["chown -R root:adm /var/lib/a", "chmod 0750 /var/lib/a"],
            ['Z "/var/lib/a" - root adm', 'z "/var/lib/a" 0750 root adm'],
        ),
        (["install -d /var/run/a", "chmod g+ws,o-rx /var/run/a"], ['d "/run/a" 2770 - -']),
        (["dpkg-statoverride --update --add root adm 02710 /var/a"], ['z "/var/a" 2710 root adm']),
        (["touch /var/log/a", "chmod 640 /var/log/a", "chgrp adm /var/log/a"], ['f "/var/log/a" 0640 - adm']),
        (["ln -s /run/a /var/a"], ['L "/var/a" - - - - /run/a']),
        (["chown absent: /var/lib/a"], []),
        (["mkdir -m0700 -p /var/lib/a"], ['d "/var/lib/a" 0700 - -']),
        (["mkdir -pm 700 /var/lib/a"], ['d "/var/lib/a" 0700 - -']),
        (["install -dm750 -o root /var/lib/a"], ['d "/var/lib/a" 0750 root -']),
        (["install -dv --mode=u=rwx,g=rx --group adm /var/lib/a"], ['d "/var/lib/a" 0750 - adm']),
        (["umask 027; mkdir /var/lib/a"], ['d "/var/lib/a" 0750 - -']),
        (
            ["(umask 077; mkdir /var/lib/a); mkdir /var/lib/b"],
            ['d "/var/lib/a" 0700 - -', 'd "/var/lib/b" 0755 - -'],
        ),
        (["mkdir -p /var/lib/a; chmod -R 750 /var/lib/a"], ['d "/var/lib/a" 0750 - -']),
        (["mkdir -p /var/lib/a; chmod -Rf o-rwx /var/lib/a"], ['d "/var/lib/a" 0750 - -']),
        (["mkdir -p /var/lib/a; chown -R root.adm /var/lib/a"], ['d "/var/lib/a" 0755 root adm']),
        (
            ["chown root.adm /var/lib/a; chgrp -R adm /var/lib/b"],
            ['z "/var/lib/a" - root adm', 'Z "/var/lib/b" - - adm'],
        ),
        (
            ["install -d /var/lib/a/b; chown -R root:adm /var/lib/a; chown :root /var/lib/a/b"],
            ['Z "/var/lib/a" - root adm', 'd "/var/lib/a/b" 0755 root root'],
        ),
        (
            ["mkdir /var/lib/a; echo 1 >/var/lib/a/f; chmod -R u=rwX,go= /var/lib/a"],
            ['d "/var/lib/a" 0700 - -', 'z "/var/lib/a/f" 0600 - -'],
        ),
        (["echo a >/tmp/t; install -m 640 -g adm /tmp/t /var/lib/t"], ['z "/var/lib/t" 0640 - adm']),
        (["mkdir /var/lib/a; rmdir /var/lib/a"], []),
        (["mkdir /usr/local/a /home/a"], []),
    ],
)
def test_of_state_becomes_tmpfiles(tmp_path: Path, lines: list[str], found: list[str]) -> None:
    assert text(applied(tmp_path, *lines), permissions.TMPFILES).splitlines() == found


def test_of_etc_reaches_the_activation(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"etc/redis/redis.conf": b"port 1\n", "etc/plain.conf": b"plain\n"}
    tree = applied(
        tmp_path,
        "adduser --system --group redis",
        "dpkg-statoverride --update --add redis redis 640 /etc/redis/redis.conf",
        "ln -s /etc/plain.conf /etc/other.conf",
        files=files,
    )
    assert tree.get("etc/other.conf") == Symlink("/etc/plain.conf")
    system = Tree()
    for path, entry in tree.items():
        if path != "usr":
            system.add(path.removeprefix("usr/"), entry)
    made = etc.build(
        Features(),
        packages=system,
        system=system,
        system_path="/nix/store/x-sw",
        opt=Tree(),
        target=AMD64,
        runit=Tree(),
        runit_path="/r",
        own=tmp_path,
    )
    number = next(line for line in text(made.tree, "passwd").splitlines() if line.startswith("redis:")).split(
        ":"
    )[2]
    assert isinstance(made.tree.get("redis/redis.conf"), File)
    assert made.tree.get("plain.conf") == Symlink("/nix/store/x-sw/etc/plain.conf")
    lines = toplevel._permissions(made).splitlines()
    assert lines == [
        f'chown -h {number}:{number} "$etc"/redis/redis.conf',
        'chmod 0600 "$etc"/gshadow "$etc"/shadow',
        'chmod 0640 "$etc"/redis/redis.conf',
    ]


def test_texts_of_scripts_are_files_in_etc(tmp_path: Path) -> None:
    tree = applied(
        tmp_path,
        "if [ ! -e /etc/made ]; then",
        "cat >/etc/made <<EOF",
        "a $1",
        "EOF",
        "fi",
        "echo one two >/etc/second",
        "echo x >/etc/present; echo $(hostname) >/etc/unknown; echo more >>/etc/extended",
        "if unknown; then echo yes >/etc/either; else echo no >/etc/either; fi",
        files={"etc/present": b"of the package"},
    )
    names = ("made", "second", "present", "unknown", "extended", "either")
    assert [text(tree, f"etc/{name}") for name in names] == [
        "a configure\n",
        "one two\n",
        "x\n",
        "",
        "more\n",
        "",
    ]


# The file of each is /etc/x.
CHANGES = [
    ("install -m 640 -o root -g adm /usr/share/p/t /etc/x", ("0640", "root", "adm")),
    ("install -Dm600 /usr/share/p/t /etc/x", ("0600", "root", "root")),
    ("install -m 600 /dev/null /etc/x; cat /usr/share/p/t >/etc/x", ("0600", "root", "root")),
    ("[ -e /proc/y ] || true; install -m u=rw,g=r /usr/share/p/t /etc/x", ("0640", "root", "root")),
    ("t=$(mktemp); echo a >$t; mv $t /etc/x", ("0600", "root", "root")),
    ("t=$(mktemp); echo a >$t; chmod 640 $t; chgrp adm $t; mv $t /etc/x", ("0640", "root", "adm")),
    ("t=$(mktemp); echo a >$t; cat $t >/etc/x", None),
    ("t=$(mktemp); echo a >$t; cp $t /etc/x", ("0600", "root", "root")),
    ("touch /etc/y; chmod 600 /etc/y; echo a >/etc/y; mv /etc/y /etc/x", ("0600", "root", "root")),
    ("umask 077; echo secret >/etc/x", ("0600", "root", "root")),
    ("umask u=rw,g=r,o=; echo secret >/etc/x", ("0640", "root", "root")),
    ("u=$(umask); umask 077; umask $u; echo a >/etc/x", None),
    ("( umask 077; echo secret >/etc/x )", ("0600", "root", "root")),
    ("if [ -e /proc/y ]; then umask 077; fi; echo secret >/etc/x", ("0600", "root", "root")),
    ("umask 077; touch /etc/x", ("0600", "root", "root")),
    ("cp -p /usr/share/p/secret /etc/x", ("0600", "root", "root")),
    ("cp -a /usr/share/p/secret /etc/x", ("0600", "root", "root")),
    ("chgrp adm /usr/share/p/secret; cp --preserve=mode,ownership /usr/share/p/secret /etc/x",
     ("0600", "root", "adm")),
    ("cp /usr/share/p/secret /etc/x", ("0600", "root", "root")),
    ("cp /usr/share/p/t /etc/x; chmod 600 /etc/x; cp /usr/share/p/t /etc/x", ("0600", "root", "root")),
    ("cp /usr/share/p/t /etc/x; chmod 600 /etc/x; rm /etc/x; cp /usr/share/p/t /etc/x", None),
    ("cp /usr/share/p/t /etc/x; chmod 600 /etc/x; install -m 644 /usr/share/p/t /etc/x",
     ("0644", "root", "root")),
    ("cp /usr/share/p/t /etc/x; if [ -e /proc/y ]; then chmod 640 /etc/x; fi", ("0640", "root", "root")),
    ("cp /usr/share/p/t /etc/x; chown root.adm /etc/x", ("0644", "root", "adm")),
    ("umask 077; ucf /usr/share/p/t /etc/x", None),
    ("t=$(mktemp); echo a >$t; ucf $t /etc/x; rm $t", ("0600", "root", "root")),
    ("t=$(mktemp); echo a >$t; ucf $t /etc/x; chmod 644 /etc/x", ("0644", "root", "root")),
    ("if [ -e /proc/y ]; then umask 077; echo a >/etc/x; fi", ("0600", "root", "root")),
]  # fmt: skip


@pytest.mark.parametrize(("line", "row"), CHANGES)
def test_files_of_scripts_keep_their_modes(
    tmp_path: Path, line: str, row: tuple[str, str, str] | None
) -> None:
    secret = "usr/share/p/secret"
    made = Deb(
        "made-up",
        files={"usr/share/p/t": b"t\n", secret: b"s\n"},
        modes={secret: 0o600, "usr/share/p/t": 0o644},
        scripts={"postinst": script(line)},
    )
    tree, context = laid_out(tmp_path, [BASE, made])
    registry.apply(tree, context)
    assert [path for path, _ in tree.items() if path in ("etc/x", "etc/y")] == ["etc/x"]
    table = json.loads(text(tree, permissions.ETC) or "{}")
    assert table == ({"x": list(row)} if row else {})
    assert not list(not_done.find(context.packages.values(), context.target))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("chown -R root:adm /etc/p", {"p": "0755", "p/a": "0644", "p/d": "0755", "p/d/b.sh": "0755"}),
        ("chmod -R o-rwx /etc/p", {"p": "0750", "p/a": "0640", "p/d": "0750", "p/d/b.sh": "0750"}),
        ("chmod -R u=rwX,g=rX,o= /etc/p/", {"p": "0750", "p/a": "0640", "p/d": "0750", "p/d/b.sh": "0750"}),
        ("chmod --recursive 700 /etc/p/d", {"p/d": "0700", "p/d/b.sh": "0700"}),
        ("chmod o-rwx /etc/p.d", {"p.d": "0750"}),
        ("chmod o-rwx /etc/p/a", {"p/a": "0640"}),
        ("chmod -R g+w /etc/p/d; chmod g-w /etc/p/d", {"p/d": "0755", "p/d/b.sh": "0775"}),
    ],
)
def test_present_modes_and_entries_below_are_those_of_the_packages(
    tmp_path: Path, line: str, found: dict[str, str]
) -> None:
    files: dict[str, bytes | str] = {"etc/p/a": b"a", "etc/p/d/b.sh": b"b", "etc/p.d/c": b"c", "etc/p/l": "a"}
    made = Deb("made-up", files=files, modes={"etc/p/a": 0o644}, scripts={"postinst": script(line)})
    tree, context = laid_out(tmp_path, [BASE, made])
    registry.apply(tree, context)
    rows = json.loads(text(tree, permissions.ETC))
    assert {path: mode for path, (mode, *_) in rows.items()} == found
    assert {tuple(owners) for _, *owners in rows.values()} == {("root", "adm" if "chown" in line else "root")}


@pytest.mark.parametrize("change", ["chmod g+w", "chmod o+x", "chmod a-w"])
@pytest.mark.parametrize("first", ["chmod +x", "chmod a-x"])
def test_an_executable_file_in_usr_follows_all_changes(tmp_path: Path, first: str, change: str) -> None:
    path = "/usr/libexec/hook"
    tree = applied(
        tmp_path,
        f"cp /usr/share/p/t {path}; {first} {path}; {change} {path}",
        files={"usr/share/p/t": b"t\n"},
    )
    entry = tree.get(path[1:])
    assert isinstance(entry, File)
    assert entry.executable == (first == "chmod +x")


def test_what_changes_no_mode_is_reported(tmp_path: Path) -> None:
    lines = ["chmod -R bad /etc/p", "chown --from=a b /etc/p", "chmod 600 relative"]
    _, context = laid_out(tmp_path, [Deb("made-up", scripts={"postinst": script(*lines)})])
    assert len(list(not_done.find(context.packages.values(), context.target))) == len(lines)
