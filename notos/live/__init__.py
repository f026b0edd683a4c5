"""A running machine: reached by ssh, compared with the build, switched to it.

ssh_key        the user's keys, handed to machines
ssh            commands in a machine
local_port     what runs behind a port of this host
wait_for_ssh   wait until an ssh server answers; runvm.sh runs a copy of it
status         what a machine runs
changes        how two systems differ
switch         another system in a running machine
nix_builder    the machine as a remote builder of Nix on this host

Modules without a test module of their own name are tested by

    tests/live/test_status.py: ssh
    tests/machines/test_switch.py: local_port, switch
"""
