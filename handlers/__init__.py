"""The doors: one small module per trigger. Translate in, call a workflow, translate out."""
