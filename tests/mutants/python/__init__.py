"""Mistakes planted in the runbook's own Python, and which tests find them: python -m tests.mutants.python."""
