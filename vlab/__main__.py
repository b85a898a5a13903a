"""`python -m vlab` is `vlab`."""

import sys

from vlab.cli import process

sys.exit(process())
