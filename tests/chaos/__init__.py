"""The chaos loop: a phase is hit by a random accident at a random moment, the same command is given until it ends with 0, and
then both sides are accounted for by code that is not the runbook's.

python -m tests.chaos --rounds 30 --seed 7 --installation text
"""
