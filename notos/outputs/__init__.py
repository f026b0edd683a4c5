"""Boot files, with one module or package for each output; qemu/ has runvm.sh."""
