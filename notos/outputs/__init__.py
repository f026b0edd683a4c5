"""Outputs: the ways to boot a machine, one module or package each; qemu/ has runvm.sh.

model      an output as a value: the task's name, its needs, its files, a function
registry   the outputs of the project's extensions
qemu       runvm.sh, which boots the machine in QEMU; its task is tasks/image.py

Modules without a test module of their own name are tested by

    tests/outputs/test_outputs.py: model, registry
"""
