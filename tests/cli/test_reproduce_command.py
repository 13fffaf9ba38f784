"""``maskstat reproduce``: its results, its talk, and every way it refuses."""

import pytest


def test_one_figure(run_cli, json_of, tmp_path):
    out = tmp_path / "out"
    command = ("reproduce", "grosse2020", "--scale", "test", "--figure", "divergence", "-o", out)
    result = run_cli(*command, "--format", "json")
    assert result.exit_code == 0
    rows = json_of(result)["rows"]
    assert [row["claim"] for row in rows] == ["divergence"]
    assert "dial-digits: 6 runs" in result.stderr
    assert f"report -> {out / 'report.html'}" in result.stderr
    assert (out / "figures" / "divergence-digits.svg").exists()
    assert (out / "data" / "claims.csv").exists()
    again = run_cli(*command, "-q")
    assert again.stderr == ""
    assert again.stdout.splitlines()[1].split("\t")[0] == "divergence"


@pytest.mark.parametrize(
    ("arguments", "status", "fact"),
    [
        (["gross2020"], 2, "did you mean 'grosse2020'"),
        (["grosse2020", "--scale", "huge"], 2, "there is no scale 'huge'"),
        (["grosse2020", "--scale", "test", "--figure", "77"], 2, "there is no figure '77'"),
        (["grosse2020", "--scale", "test", "--jobs", "0"], 2, "--jobs"),
    ],
)
def test_refusals(run_cli, tmp_path, arguments, status, fact):
    result = run_cli("reproduce", *arguments, "-o", tmp_path / "out")
    assert result.exit_code == status
    assert fact in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


def test_another_papers_folder_is_left_alone(run_cli, tmp_path):
    (tmp_path / "reproduction.json").write_text('{"paper": "paganini2020", "scale": "test"}')
    result = run_cli("reproduce", "grosse2020", "--scale", "test", "-o", tmp_path)
    assert result.exit_code == 4
    assert "[output-exists]" in result.stderr
