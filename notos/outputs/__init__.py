"""What is made of a built machine, one module or package an output.

model      what an output is: a task's name, what it needs of the build, the files that it makes, a function
registry   the outputs of the project's extensions
qemu       runvm.sh, which boots the machine in QEMU; it is a task of its own, tasks/image.py
"""
