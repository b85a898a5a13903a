"""The reader's own CPU: instructions that trap, signals beside interrupts, a hypervisor's installing, and exits."""
