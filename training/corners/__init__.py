"""Training of plate-corners: where the four corners of a detected plate lie."""
