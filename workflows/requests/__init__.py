"""Requests: who may ask for what, which generation is in force, how long one waits, and how it is answered."""
