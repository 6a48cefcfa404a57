"""The document: how a stack is written down, read, checked by rules, and compared with another. Pure."""
