"""Tests run in the quick profile, whatever the machine; set GENAI_PROFILE to test another."""

import os
import signal

os.environ.setdefault("GENAI_PROFILE", "quick")
os.environ["GENAI_PROGRESS"] = "off"  # a student's record is neither read nor written by tests

# A shell's background job ignores Ctrl-C, and so would the tests that press it.
signal.signal(signal.SIGINT, signal.default_int_handler)
