"""Try an installed maskstat as its user has it: python tests/smoke.py, with that Python.

Needs nothing but the wheel and its dependencies; run it in an empty folder, away from the
checkout. Ends with status 1 at the first thing that is not as it should be.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import maskstat
from maskstat.cli.app import COMMANDS

PROGRAM = Path(sys.executable).with_name("maskstat")


def run(*words, status=0):
    """Run a command; return what it prints."""
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False)
    if done.returncode != status or "Traceback" in done.stderr:
        sys.exit(f"maskstat {' '.join(words)}: status {done.returncode}\n{done.stderr}")
    return done.stdout if status == 0 else done.stderr


def expect(condition, what):
    """Stop unless something holds."""
    if not condition:
        sys.exit(f"not so: {what}")


def make_archive(path, seed):
    """Write a run of three prunings."""
    ranks = np.random.default_rng(seed).permutation(2000).reshape(40, 50)
    masks = [maskstat.Mask.from_arrays({"fc.weight": ranks < 2000 * 0.8**t}) for t in (1, 2, 3)]
    maskstat.write(path, [maskstat.Run.from_masks(Path(path).stem, masks)])


def main():
    """Walk through what a wheel has to do."""
    package = Path(maskstat.__file__).parent
    expect("site-packages" in package.parts, f"it is installed: {package}")
    for part in ("py.typed", "schemas/compare-1.json", "reproduce/report.css"):
        expect((package / part).is_file(), f"{part} is in the wheel")
    expect(list(package.glob("reproduce/recipes/*.toml")), "the papers' recipes are in the wheel")
    expect(run("--version").split() == ["maskstat", maskstat.__version__], "the version")
    for command in COMMANDS:
        expect("Example" in run(command, "--help"), f"{command} has help")
    doctor = json.loads(run("doctor", "--format", "json"))
    for row in doctor["rows"]:
        expect(row["ok"] is not False or row["part"] == "folders", f"the doctor is content: {row}")
    make_archive("a.h5", 1)
    make_archive("b.h5", 2)
    expect(json.loads(run("info", "a.h5", "--format", "json"))["rows"], "info has rows")
    (fc, total) = json.loads(run("compare", "a.h5", "b.h5", "--format", "json"))["rows"]
    expect(fc["shared"] == total["shared"] > 0, "compare counts")
    run("consensus", "a.h5", "b.h5", "-o", "ticket.h5")
    run("verify", "a.h5", "b.h5", "ticket.h5")
    run("convert", "a.h5", "-o", "a.npz", "--to", "npz")
    expect(run("compare", "a.npz", "b.h5"), "a foreign mask is compared")
    run("plot", "distance", "a.h5", "b.h5", "-o", "distance.png")
    expect(Path("distance.png").read_bytes().startswith(b"\x89PNG"), "a figure")
    if find_spec("torch") is None:
        said = run("prune", "-o", "run.h5", status=4)
        expect("pip install 'maskstat[torch]'" in said, f"what helps: {said}")
        expect(not Path("run.h5").exists(), "nothing was written")
    else:
        run("prune", "--iterations", "1", "--epochs", "1", "-o", "run.h5")
        run("verify", "run.h5")
    print(f"maskstat {maskstat.__version__} on Python {sys.version.split()[0]}: as it should be")


if __name__ == "__main__":
    main()
