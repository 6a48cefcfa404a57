"""The sandbox: a faithful AgentCore control plane in memory, for newcomers, tests and people without an account."""
