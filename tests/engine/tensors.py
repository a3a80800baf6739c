# SPDX-License-Identifier: MIT
"""The tensors of the model that the real engine loads."""
import engine_common
from harness import limit
from model_rows import check_gguf


@limit(120)
def case_tensors(ctx):
    engine_common.run_both(ctx, "c")
    check_gguf(ctx, ctx.is_whole(), engine_common.model(ctx))
