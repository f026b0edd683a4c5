"""The structs of a config by area; model.py joins them in Machine.

A new key is a field of a struct here, or of Machine.

debian           The archive that packages come from, and packages.
kernel           The kernel and the initrd.
system           The contents of /usr and /etc.
network          The network.
login            Remote login.
storage          Nix and the drive for data.
services         Services.
boot             Scripts at boot, and timers.
virtual_machine  The virtual machine that runvm.sh starts.
build            Settings for compiling on this host.

The modules are tested by

    tests/config/test_loader.py: debian, kernel, system, network, login, storage, services, boot
    tests/config/test_loader.py: virtual_machine, build
"""
