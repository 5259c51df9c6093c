"""Records, tables and videos: crash-safe, queryable, no server; loads without torch."""
