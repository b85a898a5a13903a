"""What moves on the page: the stepper, the explorer, and what their widgets share."""
