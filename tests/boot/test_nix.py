"""The machine's own Nix verifies and uses the store that Notos made, as root and as another user."""

import base64
import json
import re

import pytest

from notos.store.store import Store, StoreObject
from notos.vm import Machine
from notos.vm.plugin import MachineFactory
from tests.conftest import Project, Tool
from tests.servers import http_cache

# Through the daemon, for both users.
AS = {
    "root": "export NIX_REMOTE=daemon; cd /tmp; {}",
    "nobody": "mkdir -p /tmp/nobody; chown nobody /tmp/nobody; cd /tmp/nobody;"
    " su nobody -s /bin/sh -c 'HOME=/tmp/nobody; {}'",
}
SYSTEM = "/run/current-system"

# A build that records what it can reach from its sandbox.
DERIVATION = """
derivation {
  name = "reached";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  salt = builtins.getEnv "SALT";
  args = [ "-c" ''
    {
      echo folder $PWD
      for each in /* /bin/* /usr/lib/*/* /lib64/*; do echo path $each; done
      while read -r line; do echo net $line; done </proc/net/dev
    } >$out
  '' ];
}
"""


@pytest.fixture(scope="module")
def machine(built: Project, machine_factory: MachineFactory) -> Machine:
    """Return the default machine, with Nix's daemon up and the registration in its database."""
    machine = machine_factory.at(built.script, scope="module")
    machine.wait_until_succeeds("[ -S /nix/var/nix/daemon-socket/socket ]")
    machine.succeed(f"cat >/tmp/reached.nix <<'E'\n{DERIVATION}E\n")
    return machine


@pytest.fixture(scope="module")
def closure(built: Project) -> dict[str, StoreObject]:
    """Return the system's closure according to the manifests."""
    store = Store(built.root / "build/notos/store")
    manifest = (built.root / "build/notos/manifests/toplevel.json").read_bytes()
    return {each.path: each for each in store.closure([StoreObject.from_json(manifest)])}


@pytest.mark.parametrize("who", AS)
def test_the_store_verifies(machine: Machine, who: str) -> None:
    machine.succeed(AS[who].format("nix-store --verify --check-contents"))


@pytest.mark.parametrize("who", AS)
def test_the_database_agrees_with_the_manifests(
    machine: Machine, closure: dict[str, StoreObject], who: str
) -> None:
    told = json.loads(machine.succeed(AS[who].format(f"nix path-info -rS --json {SYSTEM}")))
    assert told.keys() == closure.keys()
    for path, info in told.items():
        obj = closure[path]
        sha256 = base64.b64decode(info["narHash"].removeprefix("sha256-")).hex()
        assert (f"sha256:{sha256}", info["narSize"]) == (obj.nar_hash, obj.nar_size), path
        assert sorted(info["references"]) == list(obj.references), path
    sizes = sum(each.nar_size for each in closure.values())
    assert max(each["closureSize"] for each in told.values()) == sizes


def test_references_referrers_and_tree(machine: Machine, closure: dict[str, StoreObject]) -> None:
    for path, obj in closure.items():
        asked = f"nix-store -q --references {path}; echo and; nix-store -q --referrers {path}"
        references, referrers = machine.succeed(AS["root"].format(asked)).split("and\n")
        assert sorted(references.split()) == list(obj.references)
        assert sorted(referrers.split()) == sorted(
            each for each in closure if path in closure[each].references
        )
    tree = machine.succeed(AS["root"].format(f"nix-store -q --tree {SYSTEM}"))
    assert {line.split("/nix/store/")[1].split()[0] for line in tree.splitlines()} == {
        path.removeprefix("/nix/store/") for path in closure
    }


@pytest.mark.parametrize("who", AS)
def test_it_builds_in_its_sandbox(machine: Machine, closure: dict[str, StoreObject], who: str) -> None:
    build = f"SALT={who} nix-build --no-out-link /tmp/reached.nix"
    out = machine.succeed(AS[who].format(build)).strip()
    lines = machine.succeed(f"cat {out}").splitlines()
    assert "folder /build" in lines
    assert "path /bin/sh" in lines
    reached = {line.removeprefix("path ") for line in lines if line.startswith("path ")}
    assert reached & {f"/{each}" for each in ("etc", "root", "run", "home", "sys", "var")} <= {"/etc"}
    assert {each for each in reached if each.startswith(("/usr/lib/", "/lib64/"))} == {
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/lib/x86_64-linux-gnu/libresolv.so.2",
    }
    assert [line.split()[1] for line in lines if line.startswith("net ") and ":" in line.split()[1]] == [
        "lo:"
    ]
    # The output and the system do not refer to each other.
    assert machine.succeed(f"nix-store -q --references {out}") == ""
    assert out not in closure


def test_collecting_garbage_leaves_the_system(machine: Machine, closure: dict[str, StoreObject]) -> None:
    roots = machine.succeed("nix-store --gc --print-roots")
    for name in ("current-system", "booted-system"):
        assert f"\n/run/{name} -> " in roots
    build = "cd /tmp; SALT={} nix-build {} /tmp/reached.nix"
    unused = machine.succeed(build.format("unused", "--no-out-link")).strip()
    used = machine.succeed(build.format("used", "-o /root/used")).strip()
    machine.succeed("nix-store --gc")
    assert machine.succeed(f"ls -d {unused} 2>/dev/null || echo gone") == "gone\n"
    assert machine.succeed(f"ls -d {used}").strip() == used
    machine.succeed("nix-store --verify --check-contents")
    left = machine.succeed(f"nix-store -q --requisites {SYSTEM}").split()
    assert sorted(left) == sorted(closure)
    status = machine.succeed("sv status sshd nix-daemon")
    assert re.findall("^run: ([a-z-]+): ", status, re.MULTILINE) == ["sshd", "nix-daemon"]
    machine.succeed(AS["nobody"].format("SALT=after nix-build --no-out-link /tmp/reached.nix"))


def test_a_collector_waits_while_the_system_is_registered(machine: Machine) -> None:
    """The daemon's service holds the lock meanwhile: unregistered, the system would be garbage."""
    said = machine.succeed(
        "chpst -l /nix/var/nix/gc.lock sleep 600 & until grep -q sleep /proc/$!/comm; do :; done; holder=$!\n"
        "nix-store --gc >/tmp/collected 2>&1 & until grep -q lock /tmp/collected; do sleep 0.1; done\n"
        "kill -0 $! && kill $holder; wait; cat /tmp/collected"
    )
    assert "waiting for the big garbage collector lock" in said
    assert "store paths deleted" in said
    run = machine.succeed("cat /run/service/nix-daemon/run")
    assert "chpst -l /nix/var/nix/gc.lock nix-store --load-db" in run


def test_a_user_can_install_packages(machine: Machine) -> None:
    """A user's profile is in the PATH of a login shell."""
    said = machine.succeed(
        "mkdir -p /tmp/hello/bin; cd /tmp/hello/bin; printf '#!/bin/sh\\necho hello\\n' >greet; chmod +x *\n"
        "cd /root && nix-env -i $(nix-store --add /tmp/hello) 2>&1 && sh -lc 'greet; echo $NIX_PATH'"
    )
    assert said.endswith("hello\n\n")


def test_nothing_waits_for_a_network(machine: Machine) -> None:
    """Without substituters and flake registry, missing paths are not searched on the network."""
    said = machine.fail("nix flake metadata nixpkgs 2>&1", f"nix-store -r /nix/store/{'0' * 32}-x 2>&1")
    assert "cannot find flake" in said
    assert "download" not in said
    assert "don't know how to build these paths" in said


def test_another_system_from_a_published_cache(
    machine: Machine, built: Project, tool: Tool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`doit publish` writes a cache; the machine's Nix fetches from it and checks signatures."""
    (built.root / "other.yaml").write_text(
        "name: other\nimports: [config.yaml]\netc: {motd: {text: other}}\n"
    )
    (built.root / "other.lock").write_bytes((built.root / "config.lock").read_bytes())
    with http_cache(tmp_path_factory.mktemp("http") / "cache", tool) as server:
        own = {"XDG_CONFIG_HOME": str(server.folder)}
        said = built.doit("config=other.yaml", f"to={server.folder}/kept", "publish", environment=own).stdout
        public = said.strip().rpartition("trusted-public-keys = ")[2]
        manifest = (built.root / "build/other/manifests/toplevel.json").read_bytes()
        toplevel = StoreObject.from_json(manifest).path
        realise = (
            f"nix-store -r {toplevel} --option substituters http://10.0.2.2:{server.port}"
            " --option narinfo-cache-positive-ttl 0 --option trusted-public-keys '{}' 2>&1"
        )
        name, key = public.split(":")
        stranger = f"{name}:{'A' if key[0] != 'A' else 'B'}{key[1:]}"
        refused = machine.fail(realise.format(stranger))
        assert "not signed by any of the keys in 'trusted-public-keys'" in refused
        assert machine.succeed(f"cat {toplevel}/etc/motd 2>/dev/null || echo none") == "none\n"
        machine.succeed(realise.format(public))
        assert machine.succeed(f"cat {toplevel}/etc/motd") == "other"
        # Only the missing object was fetched: the toplevel.
        assert sum(1 for line in server.requests("GET", "200") if "/nar/" in line) == 1
    machine.succeed("nix-store --verify --check-contents")


def test_the_registration_is_loaded_into_an_existing_database(machine: Machine) -> None:
    """The daemon's start loads the registration even if an earlier nix command made the database."""
    machine.succeed(
        "sv force-stop nix-daemon; rm -r /nix/var/nix/db; nix-store --gc --print-roots;"
        " [ -e /nix/var/nix/db/db.sqlite ] && sv start nix-daemon"
    )
    machine.wait_until_succeeds("[ -L /nix/var/nix/db/registered ]")
    machine.succeed(f"nix-store --verify --check-contents && nix path-info -r {SYSTEM}")
