"""Settings of the whole suite: hypothesis runs the same examples on machines of any speed."""

import os

from hypothesis import HealthCheck, settings

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", SLOW, derandomize=True, max_examples=60)
settings.register_profile("deep", SLOW, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

os.environ.pop("PYTHONUNBUFFERED", None)  # commands are run as users run them
