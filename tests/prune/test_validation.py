"""Without validation examples nothing is measured on them, and nothing else takes their place."""

from __future__ import annotations

import numpy as np
import pytest

import maskstat
from maskstat.archive import open_archive
from maskstat.errors import TrainingError, UsageError
from maskstat.prune.recipe import Recipe
from maskstat.stats.inventory import describe

ENGINES = ["loop", "ensemble"]


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_held_out(engine, tmp_path):
    path = tmp_path / "run.h5"
    run = maskstat.prune(iterations=1, epochs=2, validation=0, engine=engine, output=path)
    told = run.provenance["dataset"]
    assert (told["train"], told["validation"]) == (1438, 0)
    with open_archive(path) as archive:
        (stored,) = archive.runs.values()
    for name, values in stored.series.items():
        assert np.isnan(values).all() == name.startswith("validation"), name
    rows = describe(stored).where(layer="total")
    assert rows[0]["validation_accuracy"] is None
    assert rows[0]["test_accuracy"] is not None


@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_held_out_is_trained_on(engine):
    """More images make another training of the same network, split by the same draw."""
    some, none = (
        maskstat.prune(iterations=0, epochs=1, validation=share, engine=engine)
        for share in (0.2, 0)
    )
    assert some.provenance["model"] == none.provenance["model"]
    held, trained = (run.provenance["dataset"] for run in (some, none))
    assert held["train"] + held["validation"] == trained["train"]
    assert some.series["train_loss"] != none.series["train_loss"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("lr", "epochs", "failed"), [(1e9, 4, 3), (1e38, 1, 1)])
def test_a_loss_that_is_not_finite_is_still_found(engine, lr, epochs, failed):
    """Also one that only the last step makes: training loss is of before it."""
    with pytest.raises(TrainingError) as caught:
        maskstat.prune(
            iterations=0, epochs=epochs, lr=lr, validation=0, engine=engine, batch_size=1438
        )
    assert caught.value.code == "non-finite-loss"
    assert f"after epoch {failed}" in caught.value.fact
    assert "validation" not in caught.value.fact


@pytest.mark.parametrize("share", [-0.1, 1, 1.5])
def test_other_shares_are_refused(share):
    with pytest.raises(UsageError, match="from 0 to below 1"):
        Recipe(validation=share)


def test_resuming_and_retraining_go_on_without(tmp_path):
    from maskstat.prune import Silent

    class Enough(Silent):
        def iteration(self, **given):
            raise KeyboardInterrupt

    settings = {"iterations": 1, "epochs": 1, "validation": 0}
    path = tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt):
        maskstat.prune(**settings, output=path, progress=Enough())
    run = maskstat.prune(**settings, output=path)
    assert run.digest
    assert run.mask() == maskstat.prune(**settings).mask()
    (row,) = maskstat.retrain(run, datasets="digits", epochs=1).rows()
    assert row["validation_accuracy"] is None
    assert row["test_accuracy"] > 0


def test_the_line_of_an_iteration_leaves_it_out(tmp_path):
    from click.testing import CliRunner

    from maskstat.cli.app import cli

    options = ["--iterations", "0", "--epochs", "1", "--set", "data.validation=0"]
    result = CliRunner().invoke(cli, ["prune", *options, "-o", str(tmp_path / "a.h5")])
    assert result.exit_code == 0
    assert "accuracy 0." in result.stderr
    assert "validation" not in result.stderr
    assert "nan" not in result.stderr
