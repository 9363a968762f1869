"""What maintainers run: one module a command, as in `python -m tools.run`."""
