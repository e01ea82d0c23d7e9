"""Files on disk and on gs:// behind one set of functions."""
