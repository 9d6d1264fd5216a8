"""The search index on OpenSearch 2.11 or newer, without plugins."""
