"""Tests of the runbook, and the sample database that the demo shares with them."""
