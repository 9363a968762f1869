"""How fast the lessons' own code is beside the libraries': `python -m benchmarks`."""
