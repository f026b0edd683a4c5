"""systemd's units, translated at build time into plans that run-unit follows in the machine.

translate     a service and its sockets, as a plan and a seccomp program
timers        a timer, as its schedules and the unit that it starts
model         the machine's facts, and the translated units
unit_files    the files of units: search, aliases, templates, drop-ins
unit_text     the lines of a file, as settings
unit_names    names of units and their escapes
keys          every key of systemd.unit(5), systemd.service(5) and so on, and its treatment here
section       the settings of a section by key
conditions    Condition… and Assert…
dependencies  other services of the machine, and mounts
service       types, commands, timeouts, restarts
execution     users, folders, environment, limits, streams
sandbox       capabilities, mount namespaces, devices
resources     control groups
sockets       listeners
commands      Exec lines and their prefixes
seccomp       restrictions of system calls; bpf compiles them; syscalls has numbers and groups
calendar      times of day and dates (systemd.time(7))
words         quoting and escapes of systemd.syntax(7)
specifiers    %n, %i, %t and so on
values        booleans, times, sizes, signals, modes and so on; names has fixed numbers
paths         paths, simplified
plan          the lines that run-unit reads
report        errors and notes

The judges in the tests are systemd's own programs and its library.

Modules without a test module of their own name are tested by

    tests/units/test_translate.py: model, report, section, plan
    tests/units/test_values.py: names
    tests/units/test_execution.py: paths
    tests/units/test_seccomp.py: bpf
"""
