"""Files and links that maintainer scripts make on a new system."""

import os
import subprocess
from pathlib import Path

import pytest

from notos.debian import name_sources
from notos.formats.tree import File, Symlink, Tree
from notos.integration import not_done, registry
from tests.integration.packages import laid_out, script
from tests.integration.test_accounts import BASE
from tests.signed_archive import Deb

FILES = {
    "etc/made/default": b"default\n",
    "etc/made/available/a.conf": b"a\n",
    "etc/made/available/b.conf": b"b\n",
    "usr/share/made/template": b"port 80\n",
    "usr/share/made/more/x/one": b"1\n",
    "usr/share/made/functions": b"enable() { ln -s ../available/$1 /etc/made/enabled/$1; }\n",
    "usr/bin/made": b"",
}


def applied(folder: Path, *lines: str) -> Tree:
    tree, context = laid_out(
        folder, [BASE, Deb("made-up", files=FILES, scripts={"postinst": script(*lines)})]
    )
    registry.apply(tree, context)
    assert not list(not_done.find(context.packages.values(), context.target))
    return tree


CASES = [
    ("cp /usr/share/made/template /etc/made.conf", {"etc/made.conf": "port 80\n"}),
    ("cp /usr/share/made/template /etc/made", {"etc/made/template": "port 80\n"}),
    ("cp -r /usr/share/made/more /var/lib/more", {"var/lib/more/x/one": "1\n"}),
    ("mkdir -p /var/www/a; cp -a /usr/share/made/more/. /var/www/a/", {"var/www/a/x/one": "1\n"}),
    ("install -m 640 /usr/share/made/template /etc/t", {"etc/t": "port 80\n"}),
    ("install -m 0755 -D /usr/share/made/template /usr/libexec/t", {"usr/libexec/t": "port 80\n"}),
    ("ln -s ../available/a.conf /etc/made/a.conf", {"etc/made/a.conf": "-> ../available/a.conf"}),
    ("if [ ! -e /etc/x ] && [ -f /etc/made/default ]; then echo 1 >/etc/x; fi", {"etc/x": "1\n"}),
    ("[ -e /etc/made/default ] || echo 1 >/etc/x", {}),
    ("if [ -d /etc/made ]; then echo yes >/etc/x; else echo no >/etc/x; fi", {"etc/x": "yes\n"}),
    ("echo a >/etc/x; echo b >>/etc/x", {"etc/x": "a\nb\n"}),
    ("printf 'a %s\\n' 1 2 >/etc/x", {"etc/x": "a 1\na 2\n"}),
    ("{ echo a; cat /etc/made/default; } >/etc/x", {"etc/x": "a\ndefault\n"}),
    ("t=$(mktemp); echo a >$t; mv $t /etc/x", {"etc/x": "a\n"}),
    ("t=$(mktemp); cat >$t <<EOF\nb\nEOF\nucf $t /etc/x; rm -f $t", {"etc/x": "b\n"}),
    ("ucf --three-way --debconf-ok /usr/share/made/template /etc/x", {"etc/x": "port 80\n"}),
    (
        "ucf --sum-file /usr/share/made/sums --debconf-template=a/b -P made /usr/share/made/template /etc/x",
        {"etc/x": "port 80\n"},
    ),
    ("echo a >/etc/x; rm /etc/x", {}),
    ("for f in /etc/made/available/*.conf; do ln -s $f /etc/made/$(basename $f); done",
     {f"etc/made/{each}.conf": f"-> /etc/made/available/{each}.conf" for each in "ab"}),
    ("while read a b; do cp $b /etc/$a; done <<EOF\nx /etc/made/default\nEOF", {"etc/x": "default\n"}),
    ("echo x y | while read a b; do echo $b >/etc/$a; done", {"etc/x": "y\n"}),
    (". /usr/share/made/functions; enable a.conf", {"etc/made/enabled/a.conf": "-> ../available/a.conf"}),
    ("x=$(cat /etc/made/default); echo \"<$x>\" >/etc/x", {"etc/x": "<default>\n"}),
    ("if grep -q x /etc/absent; then :; else echo no >/etc/x; fi", {"etc/x": "no\n"}),
    ("echo a >/etc/x; [ -s /etc/x ] && cp /etc/x /srv/y", {"etc/x": "a\n", "srv/y": "a\n"}),
    ("until [ -e /etc/x ]; do echo 1 >/etc/x; done", {"etc/x": "1\n"}),
    ("cp -n /etc/made/default /etc/made/available/a.conf", {}),
    ("f() { return 3; }; f || s=$?; echo $s >/etc/x", {"etc/x": "3\n"}),
    ("f() { (exit 4); }; f; echo $? >/etc/x; true; echo $? >>/etc/x", {"etc/x": "4\n0\n"}),
    ("f() { false; return; }; f && echo a >/etc/x || echo $? >/etc/x", {"etc/x": "1\n"}),
    ("x=$(exit 5) || echo $? >/etc/x; local=$(true); echo $? >>/etc/x", {"etc/x": "5\n0\n"}),
    ("if ! grep -q b /etc/made/default; then echo $? >/etc/x; fi", {"etc/x": "0\n"}),
    ("grep -q default /etc/made/default && echo a >/etc/x", {"etc/x": "a\n"}),
    ("cat /etc/made/default | grep -v x | sed 's/def/DEF/' | head -n 1 >/etc/x", {"etc/x": "DEFault\n"}),
    ("for v in A B; do eval \"$v=/etc/$v\"; eval echo '$'$v >>/etc/x; done", {"etc/x": "/etc/A\n/etc/B\n"}),
    ("cat /dev/null >/etc/x; { echo a; echo b; } >>/etc/x", {"etc/x": "a\nb\n"}),
    ("IFS=,; l='a.conf,b.conf'; for f in $l; do ln /etc/made/available/$f /etc/made/$f; done",
     {"etc/made/a.conf": "a\n", "etc/made/b.conf": "b\n"}),
    ("l=a::b:; IFS=:; set -- $l; unset IFS; echo $# $1$2$3 >/etc/x", {"etc/x": "3 ab\n"}),
    ("cp /etc/made/default /etc/x; sed -i -e 's/d/D/' /etc/x", {"etc/x": "Default\n"}),
    ("n=$(ls /etc/made/available/*.conf | wc -l); echo $(expr $n + 1) >/etc/x", {"etc/x": "3\n"}),
]  # fmt: skip


def shown(tree: Tree) -> dict[str, str]:
    found = {}
    for path, entry in tree.items():
        if path not in FILES and path.startswith(("etc/", "srv/", "var/", "usr/libexec")):
            if isinstance(entry, File):
                found[path] = entry.read().decode()
            elif isinstance(entry, Symlink):
                found[path] = f"-> {entry.target}"
    return found


@pytest.mark.parametrize(("line", "found"), CASES)
def test_what_certainly_runs_is_made(tmp_path: Path, line: str, found: dict[str, str]) -> None:
    assert shown(applied(tmp_path, line)) == found


@pytest.mark.parametrize(("line", "found"), [each for each in CASES if "ucf" not in each[0]])
def test_a_shell_makes_the_same(tmp_path: Path, line: str, found: dict[str, str]) -> None:
    root = tmp_path / "root"
    before = Tree()
    for path, content in FILES.items():
        before.file(path, content)
    functions = bytes(FILES["usr/share/made/functions"]).replace(b"/etc/", f"{root}/etc/".encode())
    for folder in ("etc/made/enabled", "srv", "var/lib", "usr/libexec"):
        before.directory(folder)
    root.mkdir()
    before.replace("usr/share/made/functions", File(functions))
    before.write_to(root)
    text = line
    for top in ("etc", "usr", "var", "srv"):
        text = text.replace(f" /{top}/", f" {root}/{top}/").replace(f">/{top}/", f">{root}/{top}/")
    subprocess.run(["sh", "-c", text], check=False, env={**os.environ, "TMPDIR": str(tmp_path)})
    after = Tree.from_directory(root)
    made = {path: text.replace(str(root), "") for path, text in shown(after).items()}
    assert made == found


NSS = r"""
if [ "$1" = configure ] && [ -e "${DPKG_ROOT}/etc/nsswitch.conf" ] ; then
    if ! grep -q -E '^automount:' "${DPKG_ROOT}/etc/nsswitch.conf" ; then
        echo "automount: " >> "${DPKG_ROOT}/etc/nsswitch.conf"
    fi
fi
if [ -f "${DPKG_ROOT}/etc/nsswitch.conf.nss.${DPKG_MAINTSCRIPT_PACKAGE}-will-install" ] ; then
    if ! grep -q -E -e '^passwd:[^#]*\s(sss)(\s|#|$)' "${DPKG_ROOT}/etc/nsswitch.conf" ; then
        sed -E -i "${DPKG_ROOT}/etc/nsswitch.conf" -e '/^passwd:\s[^#]*$/ s/$/ sss/' \
            -e '/^passwd:\s.*#/ s/#/ sss #/'
    fi
    rm "${DPKG_ROOT}/etc/nsswitch.conf.nss.${DPKG_MAINTSCRIPT_PACKAGE}-will-install"
fi
"""


def test_a_module_for_name_lookups_adds_itself(tmp_path: Path) -> None:
    """The scripts are those of dh_installnss(1)."""
    preinst = 'touch "${DPKG_ROOT}/etc/nsswitch.conf.nss.${DPKG_MAINTSCRIPT_PACKAGE}-will-install"'
    made = Deb("libnss-sss", scripts={"preinst": script(preinst), "postinst": script(NSS)})
    tree, context = laid_out(tmp_path, [BASE, made])
    registry.apply(tree, context)
    assert not list(not_done.find(context.packages.values(), context.target))
    entry = tree.get(name_sources.PATH)
    assert isinstance(entry, File)
    before, after = name_sources.TEXT.splitlines(), entry.read().decode().splitlines()
    assert set(after) - set(before) == {"passwd:    files sss", "automount: "}
    assert not any("will-install" in path for path, _ in tree.items())


def test_the_display_manager_is_chosen(tmp_path: Path) -> None:
    """The scripts are those of lightdm: the only owner of a shared question is the default."""
    config = """
OWNERS=
if db_metaget shared/manager owners; then OWNERS="$RET"; fi
CHOICES=
if db_metaget shared/manager choices; then CHOICES="$RET"; fi
if [ "$OWNERS" != "$CHOICES" ]; then db_subst shared/manager choices "$OWNERS" || :; fi
db_input high shared/manager || :
db_go || :
"""
    postinst = """
if [ ! -e /etc/manager ]; then
  if db_get shared/manager; then
    if [ -z "$RET" ]; then $RET=x; fi
    if db_get "$RET"/daemon_name; then echo "$RET" >/etc/manager; fi
  fi
fi
"""
    templates = (
        "Template: shared/manager\nType: select\nChoices: ${choices}\n\n"
        "Template: lightdm/daemon_name\nType: string\nDefault: /usr/sbin/lightdm\n"
    )
    scripts = {"config": script(config), "postinst": script(postinst), "templates": templates}
    tree, context = laid_out(tmp_path, [BASE, Deb("lightdm", scripts=scripts)])
    registry.apply(tree, context)
    assert not list(not_done.find(context.packages.values(), context.target))
    assert shown(tree) == {"etc/manager": "/usr/sbin/lightdm\n"}


def test_what_is_uncertain_is_not_made(tmp_path: Path) -> None:
    tree, context = laid_out(
        tmp_path,
        [
            Deb(
                "made-up",
                files=FILES,
                scripts={"postinst": script("[ -e /proc/x ] && cp /usr/share/made/template /etc/x")},
            )
        ],
    )
    registry.apply(tree, context)
    assert shown(tree) == {}
    assert [str(each) for each in not_done.find(context.packages.values(), context.target)] == [
        "postinst of made-up calls cp /usr/share/made/template /etc/x, which is not done",
    ]


@pytest.mark.parametrize(
    ("lines", "made"),
    [
        ("[ -e /proc/x ] && exit 0; echo 1 >/etc/x", False),
        ("if [ -e /proc/x ]; then exit 1; fi; echo 1 >/etc/x", True),
        ("f() { [ -e /proc/x ] && return; echo 1 >/etc/x; }; f", False),
        ("f() { [ -e /proc/x ] && return; }; f; echo 1 >/etc/x", True),
        ("for a in 1 2; do [ -e /proc/x ] && continue; echo 1 >/etc/x; done", False),
        ("for a in 1 2; do [ -e /proc/x ] && continue; done; echo 1 >/etc/x", True),
        ("([ -e /proc/x ] && exit 0); echo 1 >/etc/x", True),
    ],
)
def test_after_a_possible_end_nothing_is_certain(tmp_path: Path, lines: str, *, made: bool) -> None:
    _, context = laid_out(tmp_path, [Deb("made-up", files=FILES, scripts={"postinst": script(lines)})])
    assert [each.call.certain for each in context.calls("echo")][-1] == made
    assert ("etc/x" in context.scripts.made) == made


def test_a_file_of_the_package_replaces_that_of_its_preinst(tmp_path: Path) -> None:
    scripts = {"preinst": script("echo old >/etc/made/default")}
    tree, context = laid_out(tmp_path, [Deb("made-up", files=FILES, scripts=scripts)])
    registry.apply(tree, context)
    entry = tree.get("etc/made/default")
    assert isinstance(entry, File)
    assert entry.read() == b"default\n"


def made_by(folder: Path, *packages: Deb) -> dict[str, str]:
    tree, context = laid_out(folder, [BASE, *packages])
    registry.apply(tree, context)
    return shown(tree)


def test_a_script_sees_what_those_before_it_have_made(tmp_path: Path) -> None:
    """The order is that of dpkg: all preinst scripts, then dependencies first."""
    first = Deb(
        "z-first", scripts={"postinst": script("mkdir /etc/parts; echo 1 >/etc/parts/one; touch /etc/gone")}
    )
    second = Deb(
        "a-second",
        depends="z-virtual | absent",
        scripts={
            "preinst": script("[ -e /etc/parts/one ] || echo early >/etc/early"),
            "postinst": script(
                "for f in /etc/parts/*; do cp $f /etc/copy; done; rm /etc/gone /etc/parts/one"
            ),
        },
    )
    third = Deb(
        "b-third",
        depends="a-second (>= 1)",
        scripts={"postinst": script("[ -e /etc/gone ] || echo 3 >/etc/3")},
    )
    virtual = Deb("y-virtual", provides="z-virtual", depends="z-first")
    assert made_by(tmp_path, third, second, virtual, first) == {
        "etc/3": "3\n",
        "etc/copy": "1\n",
        "etc/early": "early\n",
    }


def test_a_script_sees_which_packages_are_configured(tmp_path: Path) -> None:
    status = "dpkg-query -f '${Status}' -W needed"
    lines = (
        f"echo \"$({status}) $(dpkg-query -W -f='${{Version}}\\n' needed)\" >/etc/needed",
        "dpkg-query -W absent >/dev/null 2>&1 || echo none >/etc/absent",
        "dpkg -s needed | grep '^Version' | sed 's,Version: .:\\([^-]*\\).*,\\1,' >/etc/version",
        "dpkg -s later | grep -e ^Package -e ^Status >/etc/status",
        "dpkg-query --show --showformat='${db:Status-Status}' later >/etc/later",
    )
    packages = (
        Deb("needed", version="1:2-3"),
        Deb("later"),
        Deb("asking", depends="needed", scripts={"postinst": script(*lines)}),
    )
    assert made_by(tmp_path, *packages) == {
        "etc/absent": "none\n",
        "etc/later": "unpacked",
        "etc/status": "Package: later\nStatus: install ok unpacked\n",
        "etc/version": "2\n",
        "etc/needed": "install ok installed 1:2-3\n",
    }


def test_packages_that_need_each_other_are_configured(tmp_path: Path) -> None:
    one = Deb("one", depends="two", scripts={"postinst": script("echo one >>/etc/order")})
    two = Deb("two", depends="one", scripts={"postinst": script("echo two >>/etc/order")})
    assert made_by(tmp_path, two, one) == {"etc/order": "two\none\n"}


HELPER = """
[ -z "$SOURCED" ] || return
SOURCED=1
dpkg-query -f '${Status}' -W apache2 | egrep -q 'installed|triggers-' || LATER=/var/lib/apache2/later
switch_mpm() {
    if [ -n "$LATER" ]; then echo "switch_mpm $1" >>$LATER; return 0; fi
    local ret=0
    a2query -m mpm_$1 >/dev/null 2>&1 || ret=$?
    case $ret in 0) return 0;; 32) return 1;; esac
    local now=$(a2query -M) || return 1
    a2dismod -m -q mpm_$now
    a2enmod -m -q mpm_$1
    a2query -m mpm_$1 >/dev/null || return 1
}
"""


@pytest.mark.parametrize("name", ["a-module", "z-module"])
def test_a_module_is_enabled_by_functions_of_another_package(tmp_path: Path, name: str) -> None:
    """The helper library decides by exit statuses, and leaves work to a server that is configured later."""
    available = "etc/apache2/mods-available"
    files: dict[str, bytes | str] = {
        f"{available}/{each}.{suffix}": text.encode()
        for each in ("mpm_event", "mpm_prefork", "php")
        for suffix, text in (
            ("load", "# Depends: mpm_prefork\n" if each == "php" else "#\n"),
            ("conf", "#\n"),
        )
    }
    files["usr/share/apache2/helper"] = HELPER.encode()
    server = script(
        "a2enmod -m -q mpm_event",
        "[ -e /var/lib/apache2/later ] || exit 0",
        "cat /var/lib/apache2/later | while read what model; do",
        'now="$(ls /etc/apache2/mods-enabled/mpm_*.load | grep -e event -e prefork)"',
        'now="${now##*/mpm_}"; a2dismod -m -q mpm_${now%.load} && a2enmod -m -q mpm_$model',
        "done; a2enmod php; rm /var/lib/apache2/later",
    )
    lines = (
        ". /usr/share/apache2/helper; . /usr/share/apache2/helper",
        "other=$(a2query -m | sed -n 's/^\\(php[.0-9]*\\) (enabled.*)/\\1/p')",
        'if [ -z "$other" ] && switch_mpm prefork; then [ "$LATER" ] || a2enmod -q php; fi',
    )
    tree, context = laid_out(
        tmp_path,
        [
            Deb("apache2", files=files, depends="" if name > "b" else name, scripts={"postinst": server}),
            Deb(name, scripts={"postinst": script(*lines)}),
        ],
    )
    registry.apply(tree, context)
    assert not list(not_done.find(context.packages.values(), context.target))
    enabled = [
        path.rpartition("/")[2] for path, _ in tree.items() if path.startswith("etc/apache2/mods-enabled/")
    ]
    assert sorted(enabled) == ["mpm_prefork.conf", "mpm_prefork.load", "php.conf", "php.load"]


def test_modules_of_apache_are_enabled_with_those_they_need(tmp_path: Path) -> None:
    available = "etc/apache2/mods-available"
    files: dict[str, bytes | str] = {
        f"{available}/ssl.load": b"# Depends: setenvif socache\nLoadModule ssl x\n",
        f"{available}/ssl.conf": b"",
        f"{available}/setenvif.load": b"LoadModule setenvif x\n",
        f"{available}/socache.load": b"LoadModule socache x\n",
    }
    tree, context = laid_out(
        tmp_path, [Deb("apache2", files=files, scripts={"postinst": script("a2enmod -q ssl")})]
    )
    registry.apply(tree, context)
    names = [path for path, _ in tree.items() if path.startswith("etc/apache2/mods-enabled/")]
    assert [each.rpartition("/")[2] for each in sorted(names)] == [
        "setenvif.load",
        "socache.load",
        "ssl.conf",
        "ssl.load",
    ]
