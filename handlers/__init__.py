"""The doors: one small module per trigger. Translate in, call a workflow, translate out."""

import gc
import os

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # Starting makes much and drops little: looking for garbage meanwhile is a tenth of a cold start. What is left at
    # the end of it stays for good (handlers.environment.at_init).
    gc.disable()
