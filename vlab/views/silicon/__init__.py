"""The reader's own CPU: instructions that trap, signals beside interrupts, and who may install a hypervisor."""
