"""systemd's units, translated at build time into plans that run-unit follows in the machine.

translate     a service and its sockets, as a plan and a seccomp program
timers        a timer, as its schedules and the unit that it starts
calendar      times of day and dates (systemd.time(7), CALENDAR EVENTS)
unit_files    the files of units: search, drop-ins, links, templates, sections
keys          every key of systemd.unit(5), systemd.service(5) and so on, and its treatment here
words         quoting and escapes of systemd.syntax(7)
specifiers    %n, %i, %t and so on
values        booleans, times, sizes, signals, modes and so on
commands      Exec lines and their prefixes
model         the types of this package

The judges in the tests are systemd's own programs.
"""
