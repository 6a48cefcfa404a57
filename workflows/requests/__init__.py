"""Requests: authorization by grants, acceptance into a generation, timeouts, and outcomes as answers."""
