"""The benchmark: this copy and this proof beside the plan's own SQL, a careful statement and the cheapest there is."""
