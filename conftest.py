"""Tests run in the quick profile, whatever the machine; set GENAI_PROFILE to test another."""

import os

os.environ.setdefault("GENAI_PROFILE", "quick")
