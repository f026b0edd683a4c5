"""runvm.sh: the built machine in QEMU.

script         the script
machine_type   QEMU's machine types
command_line   the kernel's command line
memory         the least memory with which the machine boots
network        QEMU's user network
"""
