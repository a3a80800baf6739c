# SPDX-License-Identifier: MIT
"""The walker beside libunwind over the real engine: its C host, and python3 through ctypes."""
import engine_common
from walk_agree import agree


def case_libunwind_agrees_in_c(ctx):
    agree(ctx, engine_common.command(ctx, "c"), 3000, every=3)


def case_libunwind_agrees_in_ctypes(ctx):
    agree(ctx, engine_common.command(ctx, "python"), 3000, every=5)
