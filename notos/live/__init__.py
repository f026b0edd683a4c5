"""Running machines: connections by ssh, comparison with the build, switches to another system.

ssh_key        the keys for logins and host authentication
ssh            scripts run in a machine
local_port     the process behind a port of this host
wait_for_ssh   wait until an ssh server answers; runvm.sh runs a copy of it
status         the state of a machine: system, generations, free space
changes        the differences between two systems
switch         the switch of a running machine to another system
nix_builder    the machine as a remote builder for Nix on this host

Modules without a test module of their own name are tested by

    tests/live/test_status.py: ssh
    tests/machines/test_switch.py: local_port, switch
"""
