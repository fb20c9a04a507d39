"""A realistic TinkuBot database in a Supabase-like PostgreSQL: the tests' input and the demo's."""

from .build import INSTALLATIONS, PRIVILEGES, Sizes, build, describe

__all__ = ["INSTALLATIONS", "PRIVILEGES", "Sizes", "build", "describe"]
