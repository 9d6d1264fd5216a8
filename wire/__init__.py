"""The contract's messages as domain values and back, for what more than one process speaks."""
