"""Memory of the host that native code and Python share."""

import ctypes
from mmap import ACCESS_COPY, mmap

from vlab.language import VlabError, _


def new_block(size: int) -> mmap:
    """So many zero bytes, which stay where they are. A process that is forked has its own of them.

    Raises:
        VlabError: where the host has no more.
    """
    try:
        return mmap(-1, size, access=ACCESS_COPY)
    except OSError:
        raise VlabError(
            _("This host does not have so much memory to give."),
            mend=_('Drop machines that you don\'t need, or build them with `engine="interpreter"`.'),
        ) from None


def address_of(buffer: mmap | bytearray) -> int:
    """Where a buffer lies in the host."""
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
