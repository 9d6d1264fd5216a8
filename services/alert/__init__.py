"""The alert service: matches events against rules and tells people."""
