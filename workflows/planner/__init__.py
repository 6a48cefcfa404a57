"""Deciding: what is declared, observed and remembered in; actions with their reasons, and outcomes, out. Pure."""
