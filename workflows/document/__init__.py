"""The stack document: reading, parameters, references, rules, and comparison with observed resources. Pure."""
