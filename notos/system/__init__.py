"""The content of a machine: packages, /usr, /etc, scripts, initrd and root image.

contents      the packages of a machine
system_path   all packages as one /usr
missing_files check that programs have their libraries, and links their targets
choices       files of packages that a config names, such as its time zone
etc           /etc
accounts      the accounts of the config
sysusers, tmpfiles, busybox   the work of maintainer scripts
certificates, library_cache   CA certificates; libraries in further folders
databases       databases of MIME types, settings and modules, made by programs of packages
bytecode      byte code of Python files; bytecode_compiler runs in the machine's Python
own_scripts   the scripts in a config
script_root   the root folder in which a script of system.scripts runs
script_run    runs of such a script in a sandbox
script_changes   what it changed
account_names check that accounts exist which these scripts name
programs      check that the programs of services exist
usr           /usr and /opt with files of the config
packaged        files of packages in /var, /srv and /opt
kept          folders of /etc that the drive keeps
placed        files anywhere, and the trees to which they belong
state         writable files in /var and other folders, copied when the machine starts
template      scripts with @markers@
runit         stages, boot fragments and services
service_folder   a service's folder on this host
toplevel      the object that links to all parts of the running system
stage1        scripts of the config in stage-1
extra_utils   the initrd's programs
initrd, root_image   the trees of the initrd and of root.squashfs
wrappers     copies of setuid programs
conf_words    lines, words, escapes and specifiers of sysusers.d and tmpfiles.d files
conf_files    checks of the sysusers.d and tmpfiles.d files in the config

Modules without a test module of their own name are tested by

    tests/system/test_extra_utils.py: busybox, initrd, root_image
    tests/system/test_bytecode.py: bytecode_compiler
    tests/formats/test_library_cache.py: library_cache
    tests/test_graph.py: toplevel
    tests/config/test_loader.py: conf_files
    tests/integration/test_setuid.py: wrappers
    tests/system/test_tmpfiles.py: conf_words
    tests/system/test_programs.py: own_scripts
    tests/system/test_script_root.py: script_changes
    tests/tasks/test_system_scripts.py: script_run
"""
