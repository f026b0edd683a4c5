"""run-unit: what a command gets: arguments, environment, account, directories, limits, streams."""

import os
import resource
import stat
import sys
from pathlib import Path

import pytest

from tests.units.unit_scene import Scene, shell

PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
SHOW = "import sys; print(sys.argv[1:])"


def arguments(
    scene: Scene, *words: str, environment: tuple[tuple[str, str], ...] = (), flags: str = ""
) -> list[str]:
    """Return the arguments that a program gets for these words of a command line."""
    lines = [("env", *each) for each in environment]
    status, log = scene.result(*lines, ("start", flags, PYTHON, "python3", "-c", SHOW, *words))
    assert status == 0, log
    return [str(each) for each in eval(log)]


ONE_TWO = (("ONE", "one"), ("TWO", "two two"))


@pytest.mark.parametrize(
    ("words", "result"),
    [
        # The examples of systemd.service(5), "Command lines".
        (["$ONE", "$TWO", "${TWO}"], ["one", "two", "two", "two two"]),
        (["$$ONE"], ["$ONE"]),
        (["a${ONE}b"], ["aoneb"]),
        (["a$ONE"], ["a$ONE"]),
        (["${NONE}"], [""]),
        (["$NONE"], []),
        (["$NONE", "x"], ["x"]),
        (["${ONE"], ["${ONE"]),
        (["$"], []),
        (["a$"], ["a$"]),
        (["$$"], ["$"]),
        (["${ONE}${TWO}"], ["onetwo two"]),
        (["$QUOTED"], ["a b", "c'd", "e f"]),
        (["$EMPTY"], []),
        (["${EMPTY}"], [""]),
        (["tab\there", "line\nbreak", "back\\slash"], ["tab\there", "line\nbreak", "back\\slash"]),
    ],
)
def test_variables(scene: Scene, words: list[str], result: list[str]) -> None:
    more = (("QUOTED", "'a b' \"c'd\" e\\ f"), ("EMPTY", ""))
    assert arguments(scene, *words, environment=ONE_TWO + more) == result


def test_variables_stay_with_a_colon(scene: Scene) -> None:
    assert arguments(scene, "$ONE", "${ONE}", "$$", environment=ONE_TWO, flags=":") == [
        "$ONE",
        "${ONE}",
        "$$",
    ]


def environment(scene: Scene, *lines: tuple[str, ...]) -> dict[str, str]:
    """Return the environment of a command."""
    status, log = scene.result(*lines, ("start", ":", "/usr/bin/env", "env", "-0"))
    assert status == 0, log
    return dict(each.split("=", 1) for each in log.split("\0") if each)


def test_the_environment_of_a_unit(scene: Scene) -> None:
    found = environment(scene)
    assert found["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
    assert len(found["INVOCATION_ID"]) == 32
    assert "HOME" not in found
    assert "NOTIFY_SOCKET" not in found


def test_the_environment_of_a_user(scene: Scene) -> None:
    found = environment(scene, ("user", "web"))
    assert [found[each] for each in ("USER", "LOGNAME", "HOME", "SHELL")] == [
        "web",
        "web",
        "/srv/web",
        "/bin/sh",
    ]
    found = environment(scene, ("user", "db"))
    assert "SHELL" not in found  # nologin, as systemd does
    assert "HOME" not in found  # /


ENVIRONMENT_FILE = r"""
# comment
; another \
NOT=part of the comment
A=1
 B = two words
C="quoted \" \$ \n"
D='single \ quoted'
E=un\
joined
F=back\\slash
G="a"'b' c
H=
export I=1
J=trailing@
K=it's
9=invalid
no assignment
"""


def test_environment_files(scene: Scene) -> None:
    """The syntax of EnvironmentFile= in systemd.exec(5)."""
    path = scene.folder / "environment"
    path.write_text(ENVIRONMENT_FILE.replace("@", "  "))
    found = environment(scene, ("env", "A", "0"), ("env", "Z", "1"), ("envfile", "", str(path)))
    expected = {
        **{"A": "1", "B": "two words", "C": 'quoted " $ \\n', "D": "single \\ quoted", "E": "unjoined"},
        **{"F": "back\\slash", "G": "abc", "H": "", "J": "trailing", "K": "it's", "Z": "1"},
    }
    assert {key: value for key, value in found.items() if len(key) == 1} == expected
    assert "I" not in found and "NOT" not in found


def test_missing_environment_files(scene: Scene) -> None:
    assert "PATH" in environment(scene, ("envfile", "-", "/none"))
    (scene.folder / "1.env").write_text("A=1\n")
    (scene.folder / "2.env").write_text("A=2\n")
    assert environment(scene, ("envfile", "", f"{scene.folder}/*.env"))["A"] == "2"


def test_passed_and_unset_variables(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSED", "yes")
    monkeypatch.setenv("NOT_PASSED", "yes")
    lines = [
        ("passenv", "PASSED", "NONE"),
        ("env", "A", "1"),
        ("env", "B", "1"),
        ("unsetenv", "A", "B=2", "LANG"),
    ]
    found = environment(scene, *lines)
    assert found["PASSED"] == "yes"
    assert found["B"] == "1"
    assert not found.keys() & {"NOT_PASSED", "NONE", "A", "LANG"}


def test_accounts(scene: Scene) -> None:
    who = shell("id -u; id -g; id -G")
    assert scene.result(("user", "web"), who)[1].split("\n")[:3] == ["1234", "1234", "1234 1400"]
    said = scene.result(("user", "web"), ("group", "log"), ("supplementary", "db"), who)[1].split("\n")
    assert said[:2] == ["1234", "1500"]
    assert set(said[2].split()) == {"1500", "1400", "1301"}
    assert scene.result(("user", "1300"), who)[1].split("\n")[:2] == ["1300", "1301"]
    assert scene.result(("group", "log"), who)[1].split("\n")[:2] == ["0", "1500"]


def test_prefixes_keep_roots_account(scene: Scene) -> None:
    lines = [("user", "web"), ("protectsystem", "strict"), ("nnp", "yes")]
    who = (
        "w=; ! touch /opt/x 2>/dev/null || { rm /opt/x; w=w; }; "
        'echo "$(id -u) $(grep NoNewPrivs /proc/self/status | tr -dc 0-9) $w"'
    )
    assert scene.result(*lines, shell(who))[1] == "1234 1 \n"
    assert scene.result(*lines, shell(who, "!"))[1] == "0 1 \n"
    assert scene.result(*lines, shell(who, "+"))[1] == "0 0 w\n"


def test_a_dynamic_user(scene: Scene) -> None:
    lines = [("dynamicuser", "yes"), ("dir", "state", "notos-dynamic-test", "0755")]
    scene.before = "mount -t tmpfs tmpfs /var/lib"
    show = (
        "id -u; stat -c '%u %a' $STATE_DIRECTORY/; touch $STATE_DIRECTORY/x && echo written; "
        "touch /etc/x 2>&1; ls -d /var/lib/private"
    )
    _, log = scene.result(*lines, shell(show))
    uid, owner, written, refused, private = log.split("\n")[:5]
    assert 61184 <= int(uid) <= 65519
    assert owner == f"{uid} 755"
    assert written == "written"
    assert "Read-only file system" in refused or "Permission denied" in refused
    assert private == "/var/lib/private"
    assert scene.result(*lines, shell("id -u"))[1].split() == [uid]


@pytest.mark.parametrize(
    ("kind", "top", "variable"),
    [
        ("runtime", "/run", "RUNTIME_DIRECTORY"),
        ("state", "/var/lib", "STATE_DIRECTORY"),
        ("cache", "/var/cache", "CACHE_DIRECTORY"),
        ("logs", "/var/log", "LOGS_DIRECTORY"),
        ("configuration", "/etc", "CONFIGURATION_DIRECTORY"),
    ],
)
def test_directories(scene: Scene, kind: str, top: str, variable: str) -> None:
    if kind != "runtime":
        scene.before = f"mount -t tmpfs tmpfs {top}; printf 'web:x:1234:1234::/:/bin/sh\n' >/etc/passwd || :"
    lines = [("user", "web"), ("dir", kind, "one", "0750"), ("dir", kind, "two/three", "0700", "link")]
    if kind == "configuration":
        lines[0] = ("user", "1234")
        lines.append(("group", "1234"))
    show = f"echo ${variable}; stat -c '%n %u %a' {top}/one {top}/two {top}/two/three; readlink {top}/link"
    log = scene.result(*lines, shell(show))[1].splitlines()
    owner = 0 if kind == "configuration" else 1234
    assert log == [
        f"{top}/one:{top}/two/three",
        f"{top}/one {owner} 750",
        f"{top}/two 0 755",
        f"{top}/two/three {owner} 700",
        f"{top}/two/three",
    ]


def test_owners_of_existing_files_change(scene: Scene) -> None:
    make = "mkdir -p /var/lib/one/a; touch /var/lib/one/a/b; ln -s /etc /var/lib/one/etc"
    scene.before = f"mount -t tmpfs tmpfs /var/lib; {make}"
    show = "stat -c '%n %u' /var/lib/one /var/lib/one/a /var/lib/one/a/b /var/lib/one/etc /etc/."
    log = scene.result(("user", "web"), ("dir", "state", "one", "0755"), shell(show))[1].splitlines()
    assert [each.split()[1] for each in log] == ["1234", "1234", "1234", "1234", "0"]


def test_a_link_of_a_service_is_not_followed(scene: Scene) -> None:
    """The account owns `one`, and made one/two a link. A link in a folder of root's alone is followed."""
    make = "mkdir -p /opt/lib /opt/etc/x; touch /opt/etc/passwd; mount --bind /opt/lib /var/lib"
    links = "mkdir /var/lib/one; ln -s /opt/etc /var/lib/one/two; chown -Rh 1234:1234 /var/lib/one"
    scene.before = f"mount -t tmpfs tmpfs /opt; {make}; {links}; stat -c %u /opt/etc >/run/before"
    show = ("stoppost", ":", "/bin/sh", "sh", "-c", "stat -c %u /opt/etc /opt/etc/passwd /opt/etc/x")
    for name in ("one/two", "one/two/x"):
        lines = [("user", "web"), ("dir", "state", "one", "0755"), ("dir", "state", name, "0700"), show]
        log = scene.result(*lines, shell("echo started"))[1]
        assert "started" not in log
        assert log.startswith("test.service: step STATE_DIRECTORY: /var/lib/one/two")
    scene.before = (
        f"mount -t tmpfs tmpfs /opt; {make}; mkdir /opt/drive; ln -s /opt/drive /var/lib/one; chmod 755 /opt"
    )
    lines = [("user", "web"), ("dir", "state", "one", "0755")]
    assert scene.result(*lines, shell("stat -c %u /opt/drive"))[1] == "1234\n"


def test_a_link_of_a_service_is_not_followed_at_the_end(scene: Scene) -> None:
    victim = scene.run / "victim/one"
    victim.mkdir(parents=True)
    lines = [("user", "web"), ("dir", "runtime", "a/b/one", "0755"), ("dir", "runtime", "a", "0755")]
    scene.result(*lines, shell("mv /run/a/b /run/a/c && ln -s /run/victim /run/a/b"))
    assert victim.is_dir()


def test_set_user_id_bits_end_with_the_owner(scene: Scene) -> None:
    """A program of another account must not become one of the unit's account, nor of root's."""
    make = "mkdir /var/lib/one; cp /bin/true /var/lib/one/x; chmod 6755 /var/lib/one/x"
    scene.before = f"mount -t tmpfs tmpfs /var/lib; {make}"
    lines = [("user", "web"), ("dir", "state", "one", "0755")]
    assert scene.result(*lines, shell("stat -c '%u %a' /var/lib/one/x"))[1] == "1234 755\n"


@pytest.mark.parametrize(
    ("line", "owner"),
    [(("user", "root"), "0 0"), (("group", "log"), "1300 1500"), (("nnp", "no"), "1300 1301")],
)
def test_without_an_account_the_owner_stays(scene: Scene, line: tuple[str, ...], owner: str) -> None:
    scene.before = "mount -t tmpfs tmpfs /var/lib; mkdir -p /var/lib/one; chown 1300:1301 /var/lib/one"
    lines = [line, ("dir", "state", "one", "0755")]
    assert scene.result(*lines, shell("stat -c '%u %g' /var/lib/one"))[1] == f"{owner}\n"


@pytest.mark.parametrize(("preserve", "kept"), [("no", False), ("yes", True), ("restart", False)])
def test_runtime_directories_end_with_the_unit(scene: Scene, preserve: str, kept: bool) -> None:
    lines = [("dir", "runtime", "one", "0755"), ("preserve", preserve)]
    assert scene.result(*lines, shell("touch /run/one/x"))[0] == 0
    assert (scene.run / "one").exists() == kept


def test_the_working_directory(scene: Scene) -> None:
    assert scene.result(("cwd", "", "/etc"), shell("pwd"))[1] == "/etc\n"
    assert scene.result(("cwd", "-", "/none"), shell("pwd"))[1] == "/\n"
    scene.before = "mount -t tmpfs tmpfs /srv; mkdir /srv/web"
    assert scene.result(("user", "web"), ("cwd", "", "~"), shell("pwd"))[1] == "/srv/web\n"


def test_limits(scene: Scene) -> None:
    lines = [("limit", "NOFILE", "100", "200"), ("limit", "CORE", "0", "infinity"), ("umask", "0027")]
    show = "ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc; umask"
    assert scene.result(*lines, shell(show))[1].split() == ["100", "200", "0", "unlimited", "0027"]


def test_default_limits(scene: Scene) -> None:
    """Those of systemd-system.conf(5), as far as this host lets root set them."""
    _, log = scene.result(shell("ulimit -Sn; ulimit -Hn; ulimit -Sl"))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert log.split()[0] == "1024"
    assert log.split()[1] in {"524288", str(hard)}
    assert log.split()[2] == "8192"


def test_scheduling(scene: Scene) -> None:
    lines = [("nice", "5"), ("oom", "123"), ("io", "3", "0"), ("affinity", "0"), ("slackns", "12345")]
    show = (
        "import os; print(os.nice(0), open('/proc/self/oom_score_adj').read().strip(), "
        "*os.sched_getaffinity(0), open('/proc/self/timerslack_ns').read().strip())"
    )
    assert scene.result(*lines, ("start", "", PYTHON, "p", "-c", show))[1].split() == [
        "5",
        "123",
        "0",
        "12345",
    ]
    show = "import os; print(os.sched_getscheduler(0), os.sched_getparam(0).sched_priority)"
    for policy, priority in ((3, 0), (5, 0), (1, 7), (2, 9)):
        line = ("cpusched", str(policy), str(priority), "no")
        _, log = scene.result(line, ("start", "", PYTHON, "p", "-c", show))
        assert log.split() == [str(policy), str(priority)]


def test_personality_and_core_dumps(scene: Scene) -> None:
    _, log = scene.result(("personality", "8"), shell("uname -m; cat /proc/self/personality"))
    assert log.split()[0] == "i686"
    assert (
        scene.result(("coredumpfilter", "7f"), shell("cat /proc/self/coredump_filter"))[1].strip()
        == "0000007f"
    )


def test_a_pipe_signal_is_ignored_by_default(scene: Scene) -> None:
    show = shell("grep SigIgn /proc/self/status")
    assert int(scene.result(show)[1].split()[1], 16) & 1 << 12
    assert not int(scene.result(("ignoresigpipe", "no"), show)[1].split()[1], 16) & 1 << 12


def test_standard_streams(scene: Scene) -> None:
    path = scene.run / "file"
    path.write_text("given\nrest\n")
    assert scene.result(("stdin", f"file:{path}"), shell("head -n 1"))[1] == "given\n"
    scene.result(("stdout", f"append:{path}"), shell("echo out; echo err >&2"))
    assert path.read_text() == "given\nrest\nout\nerr\n"
    scene.result(("stdout", f"truncate:{path}"), ("stderr", "journal"), shell("echo out; echo err >&2"))
    assert path.read_text() == "out\n"
    scene.result(("stdout", f"file:{path}"), shell("echo ab"))
    assert path.read_text() == "ab\n\n"
    assert scene.result(("stdout", "null"), shell("echo out; echo err >&2"))[1] == ""
    assert scene.result(("stdin", "data"), ("stdindata", "a\tb\n"), shell("cat"))[1] == "a\tb\n"
    assert scene.result(shell("cat; echo end"))[1] == "end\n"


def test_capabilities(scene: Scene) -> None:
    show = shell("grep -E '^Cap(Prm|Eff|Inh|Bnd|Amb)' /proc/self/status")

    def sets(*lines: tuple[str, ...]) -> dict[str, int]:
        status, log = scene.result(*lines, show)
        assert status == 0, log
        return {each.split(":")[0]: int(each.split()[1], 16) for each in log.splitlines()}

    bind, chown = 1 << 10, 1 << 0
    found = sets(("user", "web"), ("ambient", "CAP_NET_BIND_SERVICE"))
    assert found["CapEff"] == found["CapPrm"] == found["CapAmb"] == found["CapInh"] == bind
    found = sets(("bounding", "CAP_CHOWN", "CAP_NET_BIND_SERVICE"))
    assert found["CapEff"] == found["CapBnd"] == bind | chown
    found = sets(("bounding",))
    assert found["CapEff"] == found["CapBnd"] == 0
    found = sets(("bounding", "CAP_CHOWN"), ("user", "web"))
    assert (found["CapEff"], found["CapBnd"], found["CapPrm"]) == (0, chown, 0)
    found = sets(("bounding", "cap_net_bind_service"), ("ambient", "cap_net_bind_service"), ("user", "web"))
    assert found["CapEff"] == found["CapBnd"] == bind
    assert not sets(("privatedevices", "yes"))["CapBnd"] & (1 << 27 | 1 << 17)
    assert not sets(("protectmodules", "yes"))["CapBnd"] & 1 << 16
    assert not sets(("protectclock", "yes"))["CapBnd"] & 1 << 25
    assert not sets(("protectlogs", "yes"))["CapBnd"] & 1 << 34


def test_secure_bits(scene: Scene) -> None:
    show = "import ctypes; print(ctypes.CDLL(None).prctl(27))"
    line = ("securebits", "noroot", "noroot-locked")
    assert scene.result(line, ("start", "", PYTHON, "p", "-c", show))[1].strip() == "3"


def filter_of(*instructions: tuple[int, int, int, int]) -> bytes:
    """Return a seccomp program: code, jump if true, jump if false, constant."""
    import struct

    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


@pytest.mark.parametrize(
    "lines", [[], [("user", "web")], [("nnp", "yes")], [("user", "web"), ("nnp", "yes")]]
)
def test_a_filter_of_system_calls(scene: Scene, lines: list[tuple[str, ...]]) -> None:
    """The filter refuses uname(2), with the number 63 on x86-64, with EXDEV."""
    load, equal, answer = 0x20, 0x15, 0x06
    program = filter_of(
        (load, 0, 0, 0), (equal, 0, 1, 63), (answer, 0, 0, 0x00050012), (answer, 0, 0, 0x7FFF0000)
    )
    (scene.folder / "seccomp").write_bytes(program)
    show = (
        "import os\n"
        "try: os.uname()\n"
        "except OSError as error: print(error.errno)\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(status['Seccomp'].strip(), status['NoNewPrivs'].strip(), int(status['CapEff'], 16) == 0)"
    )
    status, log = scene.result(*lines, ("seccomp", "yes"), ("start", "", PYTHON, "p", "-c", show))
    assert status == 0, log
    assert log.split() == ["18", "2", str(int(("nnp", "yes") in lines)), str(("user", "web") in lines)]


def test_a_broken_filter_is_a_failure(scene: Scene) -> None:
    (scene.folder / "seccomp").write_bytes(b"12345")
    status, log = scene.result(("seccomp", "yes"), shell("true"))
    assert status == 1
    assert "status=228/SECCOMP" in log


def test_a_keyring_of_the_unit(scene: Scene) -> None:
    """The kernel's list of keys: the session keyring is a new one unless it is inherited."""
    show = shell("grep -c _ses /proc/keys || :")
    assert scene.result(("keyring", "private"), show)[0] == 0
    assert scene.result(("keyring", "shared"), show)[0] == 0
    assert scene.result(("keyring", "inherit"), show)[0] == 0


def test_modes_of_the_state(scene: Scene) -> None:
    with scene.start(shell("exec sleep 1000")) as running:
        running.until("active")
        mode = (scene.run / "runit/svc.unit").stat().st_mode
        assert stat.S_IMODE(mode) == 0o755
        assert os.access(scene.run / "runit/svc.unit/state", os.R_OK)
        running.stop()
