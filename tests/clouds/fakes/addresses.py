"""Which addresses the fakes give out. Those of machines in the lab are routed on this machine, so each test run has a block of its own."""

from __future__ import annotations

import os

BLOCK = os.getpid() % 128  # the third number of every address; Azure's subnet has no more
