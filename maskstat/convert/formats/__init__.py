"""One foreign format a file: `matches(probe)` and `read(probe, options)`."""
