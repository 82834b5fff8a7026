# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The recurrences under test, by kind; ALL has them in order."""

from . import delta, linear, states, cells, regions, ladder, evolutions, memories, turns, forms
from .common import ALL

__all__ = ["ALL", "cells", "delta", "evolutions", "forms", "ladder", "linear", "memories", "regions", "states", "turns"]
