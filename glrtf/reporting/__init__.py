"""The report: a folder with an HTML page."""
