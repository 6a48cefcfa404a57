"""Reconciliation: how a run that holds the lease of a stack observes, decides, changes, waits and records."""
