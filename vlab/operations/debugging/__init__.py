"""Debugging a computer from outside: breakpoints, watched accesses, steps both ways, and GDB's remote protocol."""

from vlab.operations.debugging.debugger import Debugger as Debugger
from vlab.operations.debugging.debugger import Halt as Halt
from vlab.operations.debugging.server import serve as serve
