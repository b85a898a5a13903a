"""What a computer is at a moment: its state, two of them side by side, what is inside what."""
