"""Features as values: each module turns the config into everything that one feature adds to a machine.

A feature's module has the keys of the config that belong to it (KEYS), `feature(machine)`, which returns
a frozen Feature that is empty if the machine does not have the feature, and the feature's rules for the
config (CHECKS). Code elsewhere iterates over the joined values (Features) and knows no feature by name.
A feature's shell files are in runit/ and scripts/; its value names them.

model            Feature, everything that a feature can add, and Features, the join of all
registry         all features in order
join             the join of features
named            packages that the config names
checks           rules for the config that all features share: reserved names, extensions
extensions       the features of the project's own code
extension_code   that code, found and loaded
values           checks of the values that it returns
plain            values as JSON

virtual_machine  kernel drivers for QEMU's machine types
base             parts of every machine: runit, busybox, accounts, terminals
power            the power button
instance         data that each machine of an image gets at boot
hostname         the machine's name, and other names in /etc/hosts
locale, timezone, keymap   language, time zone and keyboard
modules          kernel modules in the running system, and their parameters
udev             the device manager
sysctl           the kernel's settings
mounts           file systems that the boot mounts
network          the network interfaces
interfaces       the interfaces of a config in one form
network_checks   rules for interfaces by name
network_plan     the plan by which the boot configures them
ssh              login by ssh: keys, and the parts that both servers share
openssh, dropbear   the servers
users            the accounts in the config
console          login on the console
nix              Nix in the machine
disk             the drive for data that survives a reboot
syslog           the daemon for /dev/log
time_servers     the clock, set from the network
alternatives     choices of generic names
setuid           setuid programs
services         the services in the config
files            the files in the config's `etc`

Modules without a test module of their own name are tested by

    tests/features/test_registry.py: model, base, power, hostname, ssh, openssh, dropbear
    tests/features/test_registry.py: disk, time_servers, services, files, virtual_machine
    tests/features/test_registry.py: join, named, syslog
    tests/integration/test_alternatives.py: alternatives
    tests/machines/test_logins.py: console
    tests/features/test_extensions.py: extension_code, values, plain
    tests/features/test_network.py: interfaces, network_checks, network_plan
    tests/features/test_system_keys.py: keymap, locale, mounts, sysctl, timezone
    tests/config/test_loader.py: checks
"""
