"""Every order of a few transactions on related rows of both sides, run by PostgreSQL's own isolationtester, and judged.

    make interleavings SEED=7 PART=pairs LIMIT=2000

Each scenario is two or three sessions with a transaction each, and each order of their statements starts from the same few
rows. What an order leaves is judged by three that know nothing of the sync: the second opinion (Spanish rows, entries and merges
are exactly what legacy asks for), both laws of accounting, and a replay of the acknowledged statements on the legacy tables
alone, in an order that agrees with the commits.
"""
