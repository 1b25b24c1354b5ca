"""What a run found, as records, tables, JSON and a page."""
