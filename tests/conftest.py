"""Settings of the whole suite: hypothesis runs the same examples everywhere, without deadlines."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60)
settings.register_profile("deep", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

os.environ.pop("PYTHONUNBUFFERED", None)  # commands are run as users run them
