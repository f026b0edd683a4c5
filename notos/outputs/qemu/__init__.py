"""runvm.sh: boots the built machine in QEMU.

script         the script
devices        how QEMU attaches drives and devices
command_line   the kernel's command line
memory         the least memory with which the machine boots
network        options of QEMU's user network
instance       instance data as an archive; runvm.sh runs a copy of it

Modules without a test module of their own name are tested by

    tests/outputs/test_qemu_script.py: script, command_line, devices
    tests/outputs/test_qemu_memory.py: memory
    tests/outputs/test_qemu_network.py: network
    tests/outputs/test_qemu_instance.py: instance
"""
