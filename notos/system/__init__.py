"""What is in the machine: the packages, /usr, /etc, the scripts, the initrd and the image.

contents      the packages that a machine is made of
system_path   all packages as one /usr
etc           /etc
sysusers, tmpfiles, ca_bundle, busybox   what maintainer scripts would do
programs      whether the programs of services exist
template      scripts with @markers@
runit         stages, boot fragments and services
toplevel      the object from which the running system is reached
extra_utils   the initrd's programs
initrd, root_image   the trees that are packed
conf_files    wrong lines in sysusers.d and tmpfiles.d files of the config

Modules without a test module of their own name are tested by

    tests/system/test_extra_utils.py: busybox, initrd, root_image
    tests/test_graph.py: system_path, toplevel
    tests/config/test_loader.py: conf_files
"""
