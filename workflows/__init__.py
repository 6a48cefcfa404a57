"""Provisioning stacks: documents, requests, planning, reconciliation and records."""
