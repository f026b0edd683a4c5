"""Keys of other tools (cloud-init, mkosi, Docker Compose, NixOS), with advice on what to write instead.

Keys are in lower case with underscores; reader.py converts a key to this form before it looks it up.
"""

from collections.abc import Mapping

from notos.config.model import Machine

_ACCOUNTS = "accounts are declared in users: users: {alice: {uid: 1000}}"
_FILES = "files and folders go into files: files: {/var/www: {source: site}}"
_PORTS = "write vm: {forward: {8080: 80}}, from a port of this host to one of the machine"
_SERVICE = "programs run as services: services: {web: {run: exec busybox httpd -f -h /tmp}}"
_ONCE = f"no command runs during a build; {_SERVICE}"
_DAEMON = "daemons of packages and of yours are services: services: {nginx: {}}, by their systemd units"
_ENVIRONMENT = "set variables in the service's run script, or for logins in etc: {profile.d/NAME.sh: …}"
_PASSWORD = "passwords are for sudo and the console: users: {alice: {password_hash: …}}; ssh logins need keys"
_DRIVES = "one drive holds all persistent data: write disk: 10G"
_ROOT = "write set: {User: NAME} for a unit; a run script changes the user itself: exec chpst -u USER PROGRAM"
_VARIABLES = "write environment: {NAME: value} for a unit; a run script exports its variables itself"
_ORDER = (
    "write set: {Unit.After: OTHER.service} for a unit; a run script can wait for another service: "
    "sv check NAME || exit 1"
)
_ARCHITECTURE = f"machines are {Machine.target.title}; leave it out"
_ALWAYS = "runit restarts a service whenever it ends; leave it out"
_SOURCES = (
    "further archives go into debian: write debian: {sources: [{url: URL, suites: [NAME], key: FILE, "
    "packages: [NAME]}]}"
)
_DEBIAN = "packages come from Debian: write debian: {suite: trixie}"
_VERSION = "leave it out; the versions of packages are in the lock beside the config"
_FIREWALL = (
    "write kernel: {for: [nftables]}, and start nft in a service; only the ports in vm.forward reach it"
)
_MOUNTS = "write mounts: {/data: {device: /dev/vdc}}"
_KEYS = "write authorized_keys: [ssh-ed25519 AAAA…]"


def _each(advice: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), advice)


_TOP: Mapping[str, str] = {
    **_each(_ACCOUNTS, "user accounts group passwd chpasswd mutable_users"),
    **_each(_FILES, "file write_files extra_files extra_trees skeleton_trees copy configs secrets"),
    **_each(_PORTS, "ports port expose forward port_forward forward_ports publish forwards"),
    **_each(_DAEMON, "service daemons daemon systemd systemd_services units unit"),
    **_each(_SERVICE, "entrypoint command cmd exec init process"),
    **_each(_ONCE, "runcmd bootcmd script scripts run postinst build_scripts postinstall hooks"),
    **_each(_ENVIRONMENT, "environment env env_file variables"),
    **_each(_PASSWORD, "password passwords root_password rootpw ssh_pwauth"),
    **_each(_DRIVES, "volumes volume disks drive storage size"),
    **_each(_ARCHITECTURE, "arch architecture architectures platform system_type"),
    **_each(_ALWAYS, "restart"),
    **_each(_ORDER, "depends_on"),
    **_each(_DEBIAN, "distribution distro release image base from base_image os"),
    **_each(_SOURCES, "repositories apt sources repos apt_sources extra_repositories"),
    **_each(_VERSION, "version package_update package_upgrade state_version format"),
    **_each(_FIREWALL, "firewall iptables nftables"),
    **_each(_MOUNTS, "mount file_systems filesystems fstab"),
    **_each("write locale: de_DE.UTF-8", "locales i18n lang language"),
    **_each("write timezone: Europe/Berlin", "time_zone time tz"),
    **_each("write keymap: de", "keyboard"),
    **_each("write sysctl: {net.ipv4.ip_forward: 1}", "sysctls"),
    **_each("write system: {packages: [bash]}", "packages package install apt_packages environment_packages"),
    **_each("write ssh: {authorized_keys: [ssh-ed25519 AAAA…]}", "ssh_authorized_keys ssh_keys keys"),
    **_each("write ssh: {server: openssh}", "sshd openssh dropbear"),
    **_each(
        "write network: dhcp, or network: {address: 10.0.2.15/24}",
        "networking networks net interfaces ethernets",
    ),
    **_each("write vm: {memory: 512}", "ram mem memory_size qemu_mem"),
    **_each("write vm: {cpus: 2}", "cpu cores vcpus smp qemu_smp"),
    **_each("write vm", "qemu virtualisation virtualization hypervisor"),
    **_each("write console: shell, or console: login", "getty serial_getty autologin tty"),
    **_each("write name", "container_name machine_name id title"),
    **_each("write hostname", "fqdn host host_name"),
    **_each("write imports: [other.yaml]", "include includes import extends inherit"),
    **_each("write kernel_params: [quiet]", "kernel_command_line cmdline append kernel_cmdline bootargs"),
    **_each("write kernel", "linux boot bootloader"),
    **_each("write time_servers: [pool.ntp.org]", "ntp timesyncd time_server ntp_servers chrony"),
}

# By the last key of the struct's path, with NAME for the keys that users choose.
_INNER: Mapping[str, Mapping[str, str]] = {
    "services.NAME": {
        **_each(
            "write run: exec PROGRAM", "command cmd exec script exec_start entrypoint start program service"
        ),
        **_each(_VARIABLES, "env env_file variables"),
        **_each(
            "write set: {LimitNOFILE: 65536}, with keys of the unit",
            "unit_config service_config override overrides",
        ),
        **_each(_ROOT, "user group users uid"),
        **_each(_ALWAYS, "restart enable enabled autostart"),
        **_each(_ORDER, "depends_on requires after before wants"),
        **_each(_PORTS, "ports port expose"),
        **_each("write packages: [NAME], with Debian packages", "image package depends"),
        **_each(_DRIVES, "volumes volumes_from mounts"),
        **_each(
            "write set: {WorkingDirectory: FOLDER} for a unit, and cd FOLDER in a run script",
            "working_dir workdir working_directory cwd",
        ),
        **_each("write log: true", "logging logs stdout"),
        **_each(
            "write source: FOLDER, a folder with run, finish and others", "finish stop exec_stop folder path"
        ),
    },
    "etc.NAME": {
        **_each("write text: …", "content contents data value body"),
        **_each("write mode: '0644'", "permissions permission perms chmod"),
        **_each("every file in etc belongs to root; leave it out", "owner user group uid gid"),
        **_each("write source: FILE", "file from src copy source_path"),
        **_each("the key of the file is its path below /etc", "path target dest destination name"),
    },
    "files.NAME": {
        **_each("write text: …", "content contents data value body"),
        **_each("write mode: '0644'", "permissions permission perms chmod"),
        **_each(
            "write source: PATH, of a file or a folder", "file folder directory from src copy source_path"
        ),
        **_each("write link: TARGET", "symlink target to"),
        **_each("write owner: NAME", "user uid chown"),
        **_each("write group: NAME", "gid"),
        **_each("the key of the file is its path", "path dest destination name"),
    },
    "users.NAME": {
        **_each(_KEYS, "keys authorized_key public_keys key pubkeys ssh_authorized_keys ssh_keys openssh"),
        **_each("write password_hash, the output of `openssl passwd -6`", "password passwd hashed_password"),
        **_each("write groups: [NAME]", "group extra_groups secondary_groups"),
        **_each("write description: TEXT", "gecos comment full_name"),
        **_each("write home: PATH", "home_dir homedir directory"),
        **_each("write system: true", "system_user is_system_user"),
        **_each("write sudo: true", "admin wheel doas sudoers"),
    },
    "vm": {
        **_each("write forward: {8080: 80}", "ports port port_forward forwards hostfwd"),
        **_each("write memory: 512", "ram mem memory_size"),
        **_each("write cpus: 2", "cpu cores vcpus smp"),
        **_each("write accel: kvm, or auto", "kvm accelerator enable_kvm acceleration"),
        **_each("write disk: 10G at the top of the config", "disk drive drives storage disk_size"),
        **_each("write network at the top of the config", "net nic"),
        **_each("arguments of runvm.sh go to QEMU: ./result -device …", "args qemu_args options extra_args"),
    },
    "ssh": {
        **_each(_KEYS, "keys authorized_key public_keys key pubkeys"),
        **_each(
            "the server listens on port 22; write vm: {forward: {2222: 22}} for a host port", "port ports"
        ),
        **_each(_PASSWORD, "password password_authentication permit_root_login"),
        **_each("write server: openssh, or server: none", "enable enabled daemon"),
    },
    "network": {
        **_each("write address: 10.0.2.15/24", "ip addresses ipv4 ip_address addr"),
        **_each("write gateway: 10.0.2.2", "gateway4 default_gateway router"),
        **_each("write dns: [10.0.2.3]", "nameservers nameserver name_servers resolvers"),
        **_each("write network: dhcp", "dhcp dhcp4 use_dhcp"),
        **_each("write vm: {forward: {8080: 80}} for this", "ports forward"),
    },
    "debian": {
        **_each("write suite: trixie", "release codename version distribution dist"),
        **_each("write mirror: http://mirror.example/debian", "url mirrors uri archive repository"),
        **_each("write components: [main, contrib]", "component sections areas"),
        **_each("write sources: [{suites: [trixie-backports], packages: [NAME]}]", "backports repositories"),
    },
    "nix": {**_each("write enable: true", "enabled"), **_each("write build_users: 4", "users nixbld")},
    "kernel": {
        **_each(
            "write kernel_params: [quiet] at the top of the config", "params cmdline command_line append"
        ),
        **_each("write options: {EXT4_FS: y}, with source", "config configs extra_config configuration"),
        **_each(
            f"write package: {Machine.target.general_kernel_package}; its version is in the lock",
            "version name image",
        ),
    },
    "system": {**_each("write packages: [bash]", "package install apt environment_packages")},
    "disk": {**_each("write disk: 10G; it is /dev/vdb, with the root on it", "path format fs type mount")},
}


def advice(key_path: str, key: str) -> str:
    """Return what to write for the unknown `key` in the struct at `key_path`, which is "" for the top.

    The advice is "" if nothing is known.
    """
    parts = key_path.split(".")
    path = (
        f"{parts[0]}.NAME"
        if parts[0] in ("services", "etc", "files", "users") and len(parts) > 1
        else key_path
    )
    found = (_INNER.get(path, {}) if key_path else _TOP).get(key, "")
    return f"; {found}" if found else ""
