"""The ground: AWS clients, retry, pacing, ledger stores, telemetry, the service model and the sandbox.

Nothing here knows what a stack is.
"""
