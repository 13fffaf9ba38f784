import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat import bits, votes
from maskstat.cli.options import _bytes
from maskstat.tiling import LEAST_MEMORY


@pytest.mark.parametrize("command", ["compare", "consensus"])
@pytest.mark.parametrize("options", [["--limit-memory", "200k"], ["--threads", "2"]])
def test_limits_change_no_number(run_cli, archives, command, options):
    free = run_cli(command, *archives, "--format", "json")
    bound = run_cli(command, *archives, "--format", "json", *options)
    assert free.exit_code == bound.exit_code == 0
    assert free.stdout == bound.stdout


@pytest.mark.parametrize("command", ["compare", "consensus"])
def test_a_limit_that_is_too_small_names_the_least(run_cli, archives, command):
    result = run_cli(command, *archives, "--limit-memory", f"{LEAST_MEMORY - 1}")
    assert result.exit_code == 2
    assert "limit-too-small" in result.stderr
    assert f"{LEAST_MEMORY:,} bytes" in result.stderr
    assert run_cli(command, *archives, "--limit-memory", f"{LEAST_MEMORY}").exit_code == 0


@pytest.mark.parametrize(
    "options", [["--limit-memory", "much"], ["--limit-memory", "-5M"], ["--threads", "0"]]
)
def test_what_is_no_size_and_no_number_is_refused(run_cli, archives, options):
    result = run_cli("compare", *archives, *options)
    assert result.exit_code == 2
    assert options[0] in result.stderr


def test_a_matched_comparison_refuses_them(run_cli, archives):
    result = run_cli("compare", *archives[:2], "--match", "units", "--limit-memory", "1G")
    assert result.exit_code == 2
    assert "--limit-memory does nothing" in result.stderr


@pytest.mark.parametrize("command", ["compare", "consensus"])
def test_the_limit_reaches_the_kernel(run_cli, archives, command, monkeypatch):
    seen = []
    for module, name in ((bits, "pair_tiling"), (votes, "vote_tiling")):
        real = getattr(module, name)

        def watched(*args, real=real, **named):
            seen.append(named["limit"])
            return real(*args, **named)

        monkeypatch.setattr(module, name, watched)
    assert run_cli(command, *archives, "--limit-memory", "1.5MB").exit_code == 0
    assert set(seen) == {1_500_000}


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("500M", 500e6), ("2G", 2e9), ("2GiB", 2 << 30), ("1.5 kB", 1500), ("7", 7), ("1Ti", 1 << 40)],
)
def test_sizes_are_read_as_written(text, n_bytes):
    assert _bytes(None, None, text) == n_bytes


@given(st.integers(0, 1 << 50))
def test_a_plain_number_is_bytes(n):
    assert _bytes(None, None, str(n)) == n
