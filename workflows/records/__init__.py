"""What the ledger keeps of resources and stacks: frozen records, which change by their events alone."""
