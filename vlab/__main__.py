"""`python -m vlab` is `vlab`."""

import sys

from vlab.cli import main

sys.exit(main())
