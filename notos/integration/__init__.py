"""The work of Debian's maintainer scripts and triggers, done natively over the unpacked packages.

No maintainer script runs. Each mechanism is one module with `apply(tree, context)`, which adds to the tree of
all packages (usr/…, etc/…, var/…) what a script or a trigger of Debian would have made. Settings in the
config reach a module through a feature (Feature.integration).

model          Context: the packages, their control files and attributes, the settings
registry       all mechanisms in order
alternatives   generic names (update-alternatives(1))
diversions     paths that packages divert (dpkg-divert(1)), before they are laid out
accounts       users and groups (adduser(8), systemd's units)
permissions    folders, owners and modes (chown(1), dpkg-statoverride(1))
unit_folders   folders that systemd would make for services
folders        folders of packages in /var and /srv
made           files and links that scripts make on a new system
texts          other files in /etc that scripts write
setuid         setuid programs and file capabilities
openssl        the path of the CA certificates
pam            PAM's common-* files (pam-auth-update(8))
first_states   results that a machine makes at its first boot
not_done       the rest of the maintainer scripts, for reports

Modules without a test module of their own name are tested by

    tests/integration/test_registry.py: model
    tests/integration/test_permissions.py: texts
    tests/system/test_packaged.py: folders
"""
