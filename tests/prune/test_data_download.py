"""Downloads from a host that is good, slow, cuts off, lies, or is not there."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType

import numpy as np
import pytest

from maskstat.errors import NotFoundError, StorageError
from maskstat.prune.data import download as module
from maskstat.prune.data import genuine, registry, sources
from maskstat.prune.data.download import download, mirrors
from maskstat.prune.data.places import Places
from maskstat.prune.data.registry import load
from maskstat.prune.data.sources import SOURCES, Source

CONTENT = np.random.default_rng(0).bytes(600_000)


@dataclass
class Host:
    """What a local server has and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    """One entry a request: the bytes after which the connection breaks."""
    codes: list[int] = field(default_factory=list)
    """One entry a request: the status it answers with."""
    ranges: bool = True
    lengths: bool = True
    delay: float = 0.0
    step: int = 100_000
    """Bytes that are sent at once, each after the delay."""
    slow: str = ""
    """The one path that the delay is for; empty for all."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def host():
    state = Host()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            if state.codes and (code := state.codes.pop(0)):
                return self.send_error(code)
            if self.path not in state.files:
                return self.send_error(404)
            data, begin = state.files[self.path], 0
            if wanted and state.ranges:
                begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if begin >= len(data):
                    return self.send_error(416)
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            if state.lengths:
                self.send_header("Content-Length", str(len(data) - begin))
            self.end_headers()
            end = state.cut_after.pop(0) if state.cut_after else len(data)
            for i in range(begin, begin + min(end, len(data) - begin), state.step):
                time.sleep(state.delay if state.slow in ("", self.path) else 0)
                try:
                    self.wfile.write(data[i : min(i + state.step, begin + end)])
                except OSError:
                    break
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def source(content=CONTENT, file="data.bin"):
    return Source(file=file, md5=hashlib.md5(content).hexdigest(), folders=())


def get(host, folder, *paths, **kw):
    urls = [f"{host.url}{path}" for path in paths or ("/data.bin",)]
    return download(source(), folder, urls=urls, **({"pause": 0.001, "timeout": 5} | kw))


def refused(host, folder, *paths, **kw):
    with pytest.raises(StorageError) as caught:
        get(host, folder, *paths, **kw)
    assert caught.value.code == "download-failed"
    assert caught.value.place == "data.bin"
    assert str(folder) in caught.value.hint
    return caught.value.fact


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_good_file(host, tmp_path):
    host.files["/data.bin"] = CONTENT
    told = []
    path = get(host, tmp_path / "new" / "folder", progress=lambda *args: told.append(args))
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["data.bin"]
    assert told[0] == (f"{host.url}/data.bin", 0, len(CONTENT))
    assert told[-1] == (f"{host.url}/data.bin", len(CONTENT), len(CONTENT))
    assert [there for _, there, _ in told] == sorted(there for _, there, _ in told)


def test_what_is_there_is_not_asked_for(host, tmp_path):
    (tmp_path / "data.bin").write_bytes(b"mine")
    assert get(host, tmp_path).read_bytes() == b"mine"
    assert host.asked == []
    assert names(tmp_path) == ["data.bin"]


def test_a_host_that_states_no_length(host, tmp_path):
    host.files["/data.bin"], host.lengths = CONTENT, False
    told = []
    assert get(host, tmp_path, progress=lambda *a: told.append(a)).read_bytes() == CONTENT
    assert told[-1][1:] == (len(CONTENT), None)


def test_a_lie_is_refused_and_not_kept(host, tmp_path):
    host.files["/data.bin"] = CONTENT[:-1] + b"x"
    fact = refused(host, tmp_path)
    assert source().md5 in fact
    assert hashlib.md5(host.files["/data.bin"]).hexdigest() in fact
    assert names(tmp_path) == []
    assert len(host.asked) == 1


def test_the_mirror_of_a_liar(host, tmp_path):
    host.files |= {"/data.bin": b"lie", "/mirror/data.bin": CONTENT}
    assert get(host, tmp_path, "/data.bin", "/mirror/data.bin").read_bytes() == CONTENT


def test_a_connection_that_is_cut_is_resumed(host, tmp_path):
    host.files["/data.bin"], host.cut_after = CONTENT, [250_000, 100_000]
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in host.asked] == [None, "bytes=250000-", "bytes=350000-"]


def test_a_host_without_ranges_begins_anew(host, tmp_path):
    host.files["/data.bin"], host.cut_after, host.ranges = CONTENT, [250_000], False
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert len(host.asked) == 2


def test_a_host_that_always_cuts_leaves_what_came(host, tmp_path):
    host.files["/data.bin"], host.cut_after = CONTENT, [50_000] * 4
    assert "broke off after 200,000 of 600,000 bytes" in refused(host, tmp_path)
    assert names(tmp_path) == ["data.bin.partial"]
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert host.asked[-1] == ("/data.bin", "bytes=200000-")
    assert names(tmp_path) == ["data.bin"]


def test_the_next_host_goes_on_where_the_last_stopped(host, tmp_path):
    host.files |= {"/data.bin": CONTENT, "/mirror": CONTENT}
    host.cut_after, host.codes = [100_000], [0, 404]
    assert get(host, tmp_path, "/data.bin", "/mirror").read_bytes() == CONTENT
    assert host.asked[-1] == ("/mirror", "bytes=100000-")


@pytest.mark.parametrize("left", [CONTENT[:-5] + b"wrong", b"x" * 1000, CONTENT + b"more"])
def test_a_wrong_beginning_is_thrown_away(host, tmp_path, left):
    host.files["/data.bin"] = CONTENT
    (tmp_path / "data.bin.partial").write_bytes(left)
    assert get(host, tmp_path).read_bytes() == CONTENT


def test_a_whole_file_that_was_not_renamed(host, tmp_path):
    host.files["/data.bin"] = CONTENT
    (tmp_path / "data.bin.partial").write_bytes(CONTENT)
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert len(host.asked) == 1


def test_a_missing_file_then_the_mirror(host, tmp_path):
    host.files["/mirror/data.bin"] = CONTENT
    assert get(host, tmp_path, "/data.bin", "/mirror/data.bin").read_bytes() == CONTENT
    assert [path for path, _ in host.asked] == ["/data.bin", "/mirror/data.bin"]


def test_a_busy_host_is_asked_again(host, tmp_path):
    host.files["/data.bin"], host.codes = CONTENT, [503, 429]
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert len(host.asked) == 3


def test_every_host_is_named_when_all_fail(host, tmp_path):
    fact = refused(host, tmp_path, "/a", "/b")
    assert f"{host.url}/a: HTTP 404" in fact
    assert f"{host.url}/b: HTTP 404" in fact
    assert names(tmp_path) == []


def test_a_slow_host_is_waited_for_but_not_a_silent_one(host, tmp_path):
    host.files["/data.bin"], host.delay = CONTENT, 0.05
    assert get(host, tmp_path, timeout=1).read_bytes() == CONTENT
    (tmp_path / "data.bin").unlink()
    host.delay = 0.4
    assert "timed out" in refused(host, tmp_path, timeout=0.05)


def test_a_host_that_trickles_is_left_for_the_next(host, tmp_path):
    """It is never silent for long, and would be waited for without end."""
    content = CONTENT[:3000]
    host.files = {"/slow": content, "/data.bin": content}
    host.slow, host.delay, host.step = "/slow", 0.02, 10
    urls = [f"{host.url}/slow", f"{host.url}/data.bin"]
    path = download(source(content), tmp_path, urls=urls, pause=0.001, timeout=5, window=0.1)
    assert path.read_bytes() == content
    (slow, _), (fast, rest) = host.asked
    assert (slow, fast) == ("/slow", "/data.bin")
    assert int(rest.removeprefix("bytes=").removesuffix("-")) >= 10, "what came is kept"


def test_a_host_that_trickles_is_named_where_there_is_no_other(host, tmp_path):
    host.files["/data.bin"], host.delay, host.step = CONTENT, 0.02, 10
    fact = refused(host, tmp_path, window=0.1)
    assert "bytes in 0 seconds" in fact
    assert len(host.asked) == 1
    assert 0 < (tmp_path / "data.bin.partial").stat().st_size < 1000


def test_a_small_file_may_take_its_time(host, tmp_path):
    content = CONTENT[:60]
    host.files["/data.bin"], host.delay, host.step = content, 0.02, 60
    urls = [f"{host.url}/data.bin"]
    assert download(source(content), tmp_path, urls=urls, window=0.001).read_bytes() == content


def test_a_host_that_is_not_there_is_not_asked_again(tmp_path):
    began = time.perf_counter()
    for url in ("http://127.0.0.1:9/data.bin", "nonsense", "http://[nonsense/"):
        with pytest.raises(StorageError) as caught:
            download(source(), tmp_path, urls=[url])
        assert "without internet" in caught.value.hint
    assert time.perf_counter() - began < 1


def test_an_endless_file_is_cut(host, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST", 100_000)
    host.files["/data.bin"] = CONTENT
    assert "offers 600,000 bytes" in refused(host, tmp_path)
    host.lengths = False
    assert "more than 100,000 bytes" in refused(host, tmp_path)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written(host, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        get(host, tmp_path / "file" / "folder")
    assert caught.value.code == "write-failed"
    assert "--data-dir" in caught.value.hint


def test_two_downloads_at_once_are_one(host, tmp_path):
    host.files["/data.bin"], host.delay = CONTENT, 0.03
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(get(host, tmp_path).read_bytes()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 3
    assert len(host.asked) == 1
    assert names(tmp_path) == ["data.bin"]


def test_two_downloads_at_once_that_both_fail(tmp_path, monkeypatch):
    """The first to fail takes its empty file away from under the one that waits."""
    waiting, real = threading.Barrier(2, timeout=10), module._fill

    def fill(*args):
        time.sleep(0.1)  # until the other waits for the lock
        return real(*args)

    def get_nothing():
        waiting.wait()
        try:
            download(source(), tmp_path, urls=["http://127.0.0.1:9/data.bin"])
        except Exception as error:
            failed.append(error)

    monkeypatch.setattr(module, "_fill", fill)
    failed = []
    threads = [threading.Thread(target=get_nothing) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [getattr(error, "code", error) for error in failed] == ["download-failed"] * 2
    assert names(tmp_path) == []


# --- by the name of a data set


def idx(array):
    header = struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


@pytest.fixture
def kmnist(host, monkeypatch):
    """Let small files on the local host be the published KMNIST."""
    made = []
    for published in SOURCES["kmnist"]:
        n = 20 if published.file.startswith("train") else 10
        images = "idx3" in published.file
        array = np.full((n, 28, 28), 3) if images else np.arange(n) % 10
        content = idx(array)
        host.files[f"/mirror/kmnist/{published.file}"] = content
        made.append(source(content, published.file))
    changed = MappingProxyType({**SOURCES, "kmnist": tuple(made)})
    for holder in (sources, genuine, registry):
        monkeypatch.setattr(holder, "SOURCES", changed)
    monkeypatch.setenv("MASKSTAT_MIRROR", f"{host.url}/mirror/")
    return host


def test_a_data_set_is_downloaded_once_when_asked(kmnist, tmp_path):
    with pytest.raises(NotFoundError):
        load("kmnist", data_dir=tmp_path)
    assert kmnist.asked == []
    told = []
    dataset = load(
        "kmnist", data_dir=tmp_path, download=True, progress=lambda *args: told.append(args)
    )
    assert (len(dataset.labels), len(dataset.test_labels), dataset.notes) == (20, 10, ())
    assert len({url for url, *_ in told}) == len(kmnist.asked) == 4
    assert names(tmp_path / "kmnist") == sorted(s.file for s in SOURCES["kmnist"])
    again = load("kmnist", data_dir=tmp_path, download=True)
    assert again.digest == dataset.digest
    assert len(kmnist.asked) == 4


def test_only_what_is_missing_is_downloaded(kmnist, tmp_path):
    load("kmnist", data_dir=tmp_path, download=True)
    (tmp_path / "kmnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    kmnist.asked.clear()
    load("kmnist", data_dir=tmp_path, download=True)
    assert [path for path, _ in kmnist.asked] == ["/mirror/kmnist/t10k-labels-idx1-ubyte.gz"]


def test_a_mirror_that_lies_is_an_error(kmnist, tmp_path):
    kmnist.files["/mirror/kmnist/train-labels-idx1-ubyte.gz"] = b"lie"
    with pytest.raises(StorageError) as caught:
        load("kmnist", data_dir=tmp_path, download=True)
    assert caught.value.code == "download-failed"
    assert caught.value.place == "train-labels-idx1-ubyte.gz"


def test_mirrors_by_environment(monkeypatch):
    first = SOURCES["mnist"][0]
    monkeypatch.delenv("MASKSTAT_MIRROR", raising=False)
    assert mirrors("mnist", first) == tuple(f"{f}{first.file}" for f in first.folders)
    monkeypatch.setenv("MASKSTAT_MIRROR", "http://a/x http://b/")
    assert mirrors("mnist", first) == (
        f"http://a/x/mnist/{first.file}",
        f"http://b/mnist/{first.file}",
    )


def test_every_source_has_a_checksum_and_a_host():
    for name, files in SOURCES.items():
        assert Places.of(name, "x").folders
        for file in files:
            assert len(bytes.fromhex(file.md5)) == 16
            assert all(f.startswith("http") and f.endswith("/") for f in file.folders)
            assert sources.set_of(file.md5) == name
