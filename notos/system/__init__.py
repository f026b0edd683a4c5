"""The content of a machine: packages, /usr, /etc, scripts, initrd and root image.

contents      the packages of a machine
system_path   all packages as one /usr
etc           /etc
sysusers, tmpfiles, ca_bundle, busybox   the work of maintainer scripts
programs      check that the programs of services exist
template      scripts with @markers@
runit         stages, boot fragments and services
toplevel      the object that links to all parts of the running system
extra_utils   the initrd's programs
initrd, root_image   the trees of the initrd and of root.squashfs
conf_words    lines, words, escapes and specifiers of sysusers.d and tmpfiles.d files
conf_files    checks of the sysusers.d and tmpfiles.d files in the config

Modules without a test module of their own name are tested by

    tests/system/test_extra_utils.py: busybox, initrd, root_image
    tests/test_graph.py: system_path, toplevel
    tests/config/test_loader.py: conf_files
    tests/system/test_tmpfiles.py: conf_words
"""
