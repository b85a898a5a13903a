"""Memory of the host that native code and Python share."""

import ctypes
from mmap import ACCESS_COPY, mmap


def new_block(size: int) -> mmap:
    """So many zero bytes, which stay where they are. A process that is forked has its own of them."""
    return mmap(-1, size, access=ACCESS_COPY)


def address_of(buffer: mmap | bytearray) -> int:
    """Where a buffer lies in the host."""
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
