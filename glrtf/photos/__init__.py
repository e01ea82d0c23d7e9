"""Photos by id, thumbnails, and which photos show a landmark."""
