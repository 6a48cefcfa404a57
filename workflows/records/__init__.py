"""The records of resources and stacks in the ledger: frozen values that only their events change."""
