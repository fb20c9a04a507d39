"""Command line tools of the repository; none of them is part of the collection."""
