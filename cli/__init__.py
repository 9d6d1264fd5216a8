"""`ovr`: read pictures, run video through the mesh, keep the mesh up, ask it questions."""
