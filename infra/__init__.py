"""Infrastructure: AWS clients, retries, rate limiting, ledger stores, telemetry, the service model and the sandbox.

Nothing in this package knows stacks or stack documents.
"""
