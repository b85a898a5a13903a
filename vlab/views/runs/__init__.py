"""What happened, in time: the ladder, the timeline, interrupts, and the trace for Perfetto."""
