"""What is measured: by how much maps miss, what belongs together, how far near rows are apart. Nothing is decided."""
