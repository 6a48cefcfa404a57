"""One folder per behaviour."""
