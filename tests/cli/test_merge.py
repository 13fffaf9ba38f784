"""``maskstat merge``: the runs are what they were."""

from maskstat.archive import open_archive, write
from maskstat.mask import Mask
from maskstat.run import Run


def archive(path, name, **fields):
    run = Run.from_masks(name, [Mask.from_arrays({"fc": [1, 0, 1]})], **fields)
    write(path, [run])
    return path


def digests(*paths):
    found = {}
    for path in paths:
        with open_archive(path) as opened:
            found |= {name: run.digest for name, run in opened.runs.items()}
    return found


def test_runs_keep_their_digests(run_cli, tmp_path):
    sources = [archive(tmp_path / f"{name}.h5", name, seed=i) for i, name in enumerate("abc")]
    merged = tmp_path / "merged.h5"
    result = run_cli("merge", *sources, "-o", merged)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{merged}: 3 runs\n"
    assert digests(merged) == digests(*sources)
    assert run_cli("verify", "-q", merged).exit_code == 0
    part = tmp_path / "part.h5"
    assert run_cli("merge", "-q", merged, "--select", "seed=0-1", "-o", part).stderr == ""
    assert list(digests(part)) == ["a", "b"]


def test_standard_output_takes_an_archive(run_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sources = [archive(tmp_path / f"{name}.h5", name) for name in "ab"]
    result = run_cli("merge", *sources, "-o", "-")
    assert result.stderr == "standard output: 2 runs\n"
    assert not (tmp_path / "-").exists()
    piped = tmp_path / "piped.h5"
    piped.write_bytes(result.stdout_bytes)
    assert digests(piped) == digests(*sources)


def test_what_cannot_be_merged(run_cli, tmp_path):
    one = archive(tmp_path / "one.h5", "a")
    two = archive(tmp_path / "two.h5", "a", seed=1)
    out = tmp_path / "out.h5"
    twice = run_cli("merge", one, two, "-o", out)
    assert twice.exit_code == 3
    assert "[duplicate-run]" in twice.stderr
    iteration = run_cli("merge", f"{one}@1", "-o", out)
    assert iteration.exit_code == 2
    assert "names iteration 1" in iteration.stderr
    assert not out.exists()
    assert run_cli("merge", one, "-o", two).exit_code == 4
    assert list(digests(two)) == ["a"]
