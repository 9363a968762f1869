"""What the course's notebooks share: set-up, data, training, pictures, metrics and exercises.

Nothing that a lesson teaches is hidden here, and nothing heavy is imported before it is used:
`import helpers` costs a few milliseconds.
"""

__version__ = "0.1.0"
