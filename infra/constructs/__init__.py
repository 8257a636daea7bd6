"""One construct for each step of the path, and the parts they are made of."""
