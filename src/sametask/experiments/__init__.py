"""The experiments: short readable scripts on the public API."""
