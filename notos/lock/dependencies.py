"""The dependencies that count: all of Debian's, without those on machinery and with some that packages omit.

This module selects no packages; it reads dependencies of those in a lock or in a set.
"""

import re
from collections.abc import Mapping, Sequence

from notos.debian.package import LockedPackage
from notos.debian.relation import Relation, parse
from notos.lock.candidates import meeting
from notos.lock.lockfile import Lock
from notos.lock.request import Request

# Packages that only install, configure or start other packages. Notos does not use them. Their dependencies
# are not followed either, so perl-base is only included if another package depends on it. Alternatives to
# one of these (systemd, for systemd-sysusers) are also left out. Busybox and Notos itself have the parts of
# base-files, base-passwd and debianutils that programs use: all Debian systems have these packages.
MACHINERY = frozenset(
    (
        *(
            "adduser",
            "base-files",
            "base-passwd",
            "cdebconf",
            "debconf",
            "debconf-2.0",
            "debianutils",
            "dpkg",
        ),
        *("init-system-helpers", "initramfs-tools", "install-info", "linux-initramfs-tool", "lsb-base"),
        *("opensysusers", "opentmpfiles", "runit-helper", "sysuser-helper", "sysvinit-utils"),
        *("systemd-standalone-sysusers", "systemd-standalone-tmpfiles", "systemd-sysusers"),
        *("systemd-tmpfiles", "ucf", "update-inetd", "update-notifier-common", "usrmerge"),
        "wireguard-modules",  # of a kernel: the machine has one
    )
)


# Packages that need another one without a dependency on it: a C compiler, which only recommends the headers
# and startup files of libc; cron, whose crontab calls run-parts of debianutils; netavark, which calls nft for
# every network of podman; wg-quick, a script for bash that calls ip; PAM's modules, used through the common
# files of libpam-runtime, which sudo includes; units whose commands are scripts: MariaDB's for bash, those of
# postfix for perl, unbound's for cp and setpriv with options that busybox lacks. Debian has all these.
_ALSO = (
    (re.compile(r"gcc-[0-9]+(-[a-z0-9-]+-linux-gnu)?|tcc"), "libc6-dev"),
    (re.compile(r"cron|anacron"), "debianutils"),
    (re.compile(r"netavark"), "nftables"),
    (re.compile(r"wireguard-tools"), "bash, iproute2"),
    (re.compile(r"libpam-modules"), "libpam-runtime"),
    (re.compile(r"mariadb-server"), "bash"),
    (re.compile(r"postfix"), "perl-base"),
    (re.compile(r"unbound"), "coreutils, util-linux"),
)


# Ubuntu's metapackage of a kernel, and its image, name the parts of a kernel without a version.
_KERNEL = re.compile(r"linux-(?:image(?:-unsigned)?|modules|modules-extra)-[0-9].*")


def is_part(group: Sequence[Relation]) -> bool:
    """Return True for a dependency on an exact version, or on a part of a kernel."""
    return len(group) == 1 and (group[0].operator == "=" or _KERNEL.fullmatch(group[0].name) is not None)


def is_narrowed(request: Request, whole: bool) -> bool:
    """Return True if the request selects files; `whole` is True if another package depends on this one."""
    return bool(request.only or request.exclude) and not (request.yields and whole)


def whole(lock: Lock, name: str) -> frozenset[str]:
    """Return the packages of the set `name` whose files a feature does not narrow: others depend on them."""
    requests = lock.present(name)
    reached = depended_on(requests, {each.name: each for each in lock.set(name)})
    return frozenset(each for each in reached if each in requests and requests[each].yields)


def requested_by(lock: Lock, name: str) -> dict[str, str]:
    """Return the requested package that each other package of the set `name` is a dependency of."""
    requests = lock.present(name)
    members = {each.name: each for each in lock.set(name)}
    found: dict[str, str] = {}
    # A closure over dependencies explains more packages than one over libraries.
    for request in sorted(requests, key=lambda each: (requests[each].closure != "depends", each)):
        pending = [request]
        seen = {request}
        while pending:
            for group in groups(members[pending.pop()]):
                each = meeting(group, members)
                if each is not None and each.name not in seen:
                    seen.add(each.name)
                    pending.append(each.name)
                    found.setdefault(each.name, request)
    return {package: request for package, request in found.items() if package not in requests}


def depended_on(requests: Mapping[str, Request], members: Mapping[str, LockedPackage]) -> set[str]:
    """Return the members that a closure over dependencies reaches."""
    by_name = dict(sorted(members.items()))
    reached: set[str] = set()
    pending = [package for package, each in requests.items() if each.closure == "depends"]
    while pending:
        for group in groups(members[pending.pop()]):
            found = meeting(group, by_name)
            if found is not None and found.name not in reached:
                reached.add(found.name)
                pending.append(found.name)
    return reached


def groups(package: LockedPackage) -> list[tuple[Relation, ...]]:
    """Return the dependencies of `package` without MACHINERY, and with those in _ALSO."""
    groups = [group for group in parse(package.depends) if not any(each.name in MACHINERY for each in group)]
    also = (parse(needed) for names, needed in _ALSO if names.fullmatch(package.name))
    return [*groups, *(group for needed in also for group in needed)]
