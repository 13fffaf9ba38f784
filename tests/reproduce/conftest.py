"""The test-sized reproduction of each paper: trained once, by whichever process comes first."""

import fcntl

import pytest

from maskstat.reproduce import reproduce


@pytest.fixture(scope="session", params=["grosse2020", "paganini2020"])
def report(request, tmp_path_factory, worker_id):
    """What `maskstat reproduce PAPER --scale test` makes."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent  # of all processes of this session
    with open(shared / f"{request.param}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return reproduce(request.param, scale="test", output=shared / request.param)
