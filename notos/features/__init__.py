"""A machine's features as values: each module computes the additions of one feature from the config.

A feature's module has the keys of the config that belong to it (KEYS), `feature(machine)`, which returns
a frozen Feature, empty where the machine does not have it, and its own rules for the config (CHECKS).
Code elsewhere iterates over the joined values (Features) and knows no feature by name. A feature's shell
files are in runit/ and scripts/; its values name them.

model            what a feature can add: Feature, and Features, the join of all
registry         all features, in order; joins those of a machine
checks           rules for the config that all features share: reserved names

virtual_machine  the bus and the firmware of QEMU's machine types
base             what every machine has
power            the power button
hostname         the machine's name
network          the first network interface
ssh              logging in: keys, and what both servers need
openssh, dropbear   the servers
nix              Nix in the machine
disk             the drive for what outlives a boot
time_servers     the clock, from the network
services         the config's own services
files            the config's own files in /etc

Modules without a test module of their own name are tested by

    tests/features/test_registry.py: model, base, power, hostname, network, ssh, openssh, dropbear
    tests/features/test_registry.py: disk, time_servers, services, files, virtual_machine
    tests/config/test_loader.py: checks
"""
