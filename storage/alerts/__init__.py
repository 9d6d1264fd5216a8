"""The alert store: which rules fired on which events, and who was told."""
