"""The planner: desired state, observed state and record in; actions with reasons, and outcomes, out. Pure."""
