"""Photos by id, thumbnails, and the photos of a landmark."""
