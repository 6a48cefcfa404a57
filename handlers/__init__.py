"""The entry points. For each trigger, a small module parses the input, calls a workflow and formats the output."""

import gc
import os

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # Initialization allocates many objects and frees few; garbage collection would take a tenth of a cold start.
    # After initialization, handlers.environment.at_init freezes the surviving objects and enables collection again.
    gc.disable()
