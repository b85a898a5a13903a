"""Virtio devices (OASIS Virtio 1.2): a transport that all share, split virtqueues, and a file for each device."""
