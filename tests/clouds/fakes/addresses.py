"""Which addresses the fakes give out. Those of machines in the lab are routed on this machine, so each test run has a block of its own."""

from __future__ import annotations

import os

from clouds.lab.claims import first_free

BLOCK, _held = first_free(128, os.getpid())  # the third number of every address; Azure's subnet has no more
_held.detach()  # ours until this process ends
