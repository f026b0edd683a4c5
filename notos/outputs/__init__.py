"""What is booted, one module or package an output; qemu/ has runvm.sh."""
