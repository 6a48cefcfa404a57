"""Acting: what one run does while it holds a stack's lease. It observes, acts, waits and remembers."""
