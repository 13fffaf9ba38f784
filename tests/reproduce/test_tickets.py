"""Retraining of tickets: told where and on what to train, and stopped when the command is."""

import signal
import time
from multiprocessing import active_children

import pytest

import maskstat
from maskstat.reproduce.evidence import gather
from maskstat.reproduce.plan import read_plan
from maskstat.reproduce.tickets import retrain_all, shares


class Rung(BaseException):
    pass


@pytest.fixture
def alarm():
    def ring(*_):
        raise Rung

    before = signal.signal(signal.SIGALRM, ring)
    yield signal.alarm
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_what_interrupts_the_retraining_ends_its_processes(tmp_path, alarm):
    path = tmp_path / "run.h5"
    maskstat.prune(iterations=1, epochs=1, output=path)
    how = {"datasets": "digits", "seeds": 0, "epochs": 1000}
    work = [(name, [(str(path), 1)], str(tmp_path / name), how) for name in ("a", "b")]
    alarm(3)
    began = time.monotonic()
    with pytest.raises(Rung):
        list(retrain_all(work, jobs=2))
    assert time.monotonic() - began < 10
    assert not active_children()


def test_a_retraining_is_told_what_the_sweeps_are(tmp_path):
    plan = read_plan("paganini2020", scale="test", data_dir=tmp_path)
    (tickets,) = plan.tickets
    ticket = maskstat.prune(iterations=1, epochs=1)
    given = {"data_dir": "here", "download": True, "device": "cuda"}
    work = shares(gather(plan, tmp_path, failures={}), tickets, {0: ticket}, tmp_path, given)
    assert [how["epochs"] for *_, how in work] == [tickets.epochs, 0]
    assert all(given.items() <= how.items() for *_, how in work)
