"""Notos: Debian packages in, bootable images out. The library never imports doit or tasks/.

config         config.yaml as a frozen Machine; loader reads it with all checks
features       what each feature adds to a machine
formats        file trees, and the formats that they are read from and written to
host           this host's folders, proxies and processor
debian         verified packages from a signed archive
lock           which version of which package
store          Nix store objects
toolchain      the programs that a build runs
kernel         kernels, their configuration and their modules
system         what is in the machine
outputs        what is booted
live           a running machine
boot_chart     where the time of a boot goes
vm             machines in tests
skeleton       the files of a new project

errors         all errors, with hints
process        running programs
atomic         files and folders written beside and renamed
cache          the folders of the cache
home           the folder of Notos' own files
architecture   all that differs between architectures
structs        dataclasses that are cheap to define
pyyaml         the library PyYAML, with less to do at its import

Modules without a test module of their own name are tested by

    tests/test_notos.py: __main__, home
    tests/config/test_loader.py: errors, loader, pyyaml
"""

__version__ = "0.1.0"
