"""Outputs: the ways to boot a machine, one module or package each; qemu/ has runvm.sh."""
