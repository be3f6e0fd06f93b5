"""One resource a file; a route parses, calls and answers."""
