"""All published data sets from hosts, proxies and networks that misbehave; byte by byte."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tarfile
import threading
import urllib.error
import zipfile
from types import MappingProxyType

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.io import savemat

from maskstat.cli.app import cli
from maskstat.errors import StorageError
from maskstat.prune.data import download as module
from maskstat.prune.data import genuine, registry, sources
from maskstat.prune.data.download import download
from maskstat.prune.data.registry import load
from maskstat.prune.data.sources import SOURCES, Source

CONTENT = np.random.default_rng(1).bytes(300_000)
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in (*PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)


class Server:
    """Answers each request with the bytes that `answer` yields, then hangs up."""

    def __init__(self):
        self.asked, self.logins = [], []
        self.answer = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                head = b""
                while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
                    head += more
                if not head:
                    continue
                path = head.split()[1].decode()
                lines = head.decode().lower().split("\r\n")
                begin = next((x for x in lines if x.startswith("range: bytes=")), "=0-")
                begin = int(begin.split("=")[1].rstrip("-"))
                self.asked.append((path, begin))
                said = (x.partition(": ")[2] for x in lines if x.startswith("authorization: "))
                self.logins.append(next(said, None))
                try:
                    for data in self.answer(path, begin):
                        connection.sendall(data)
                except OSError:
                    continue

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def head(status="200 OK", **headers):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}Connection: close\r\n\r\n".encode()


def honest(data, begin):
    if not begin:
        return [head(Content_Length=len(data)), data]
    rest = f"bytes {begin}-{len(data) - 1}/{len(data)}"
    length = len(data) - begin
    return [head("206 Partial Content", Content_Range=rest, Content_Length=length), data[begin:]]


@pytest.fixture
def server():
    one = Server()
    one.answer = lambda path, begin: honest(CONTENT, begin)
    yield one
    one.close()


def get(server, folder, *paths, **kw):
    source = Source(file="data.bin", md5=hashlib.md5(CONTENT).hexdigest(), folders=())
    urls = [f"{server.url}{path}" for path in paths or ("/data.bin",)]
    return download(source, folder, urls=urls, **({"pause": 0.001, "timeout": 5} | kw))


def failure(server, folder, *paths, **kw):
    with pytest.raises(StorageError) as caught:
        get(server, folder, *paths, **kw)
    error = caught.value
    assert (error.code, error.exit_status) == ("download-failed", 4)
    assert error.place == "data.bin"
    assert error.consequence == "it is not here"
    assert str(folder) in error.hint
    return error.fact


def test_a_web_page_instead_of_the_file(server, tmp_path):
    """The page of a hotel's network neither counts nor spoils what is there."""
    (tmp_path / "data.bin.partial").write_bytes(CONTENT[:1000])
    page = b"<html>please log in</html>"
    server.answer = lambda path, begin: [
        head(Content_Type="text/html; charset=utf-8", Content_Length=len(page)),
        page,
    ]
    assert "it gives a web page, not the file" in failure(server, tmp_path)
    assert (tmp_path / "data.bin.partial").read_bytes() == CONTENT[:1000]
    assert len(server.asked) == 1
    server.answer = lambda path, begin: honest(CONTENT, begin)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == ("/data.bin", 1000)


def test_a_length_that_is_too_long(server, tmp_path):
    server.answer = lambda path, begin: [head(Content_Length=400_000), CONTENT]
    assert "broke off after 300,000 of 400,000 bytes" in failure(server, tmp_path)


def test_a_length_that_is_too_short(server, tmp_path):
    server.answer = lambda path, begin: (
        [head(Content_Length=1000), CONTENT] if path == "/a" else honest(CONTENT, begin)
    )
    assert get(server, tmp_path, "/a", "/b").read_bytes() == CONTENT
    assert server.asked == [("/a", 0), ("/b", 0)]


@pytest.mark.parametrize("length", ["-1", "many", "99999999999999999999", "1e3"])
def test_a_length_that_is_none(server, tmp_path, length):
    server.answer = lambda path, begin: (
        [head(Content_Length=length), CONTENT] if path == "/a" else honest(CONTENT, begin)
    )
    assert get(server, tmp_path, "/a", "/b").read_bytes() == CONTENT


def test_an_unannounced_end_is_asked_again(server, tmp_path):
    ends = [1000, 250_000, len(CONTENT)]
    server.answer = lambda path, begin: [head(), CONTENT[: ends.pop(0)]]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "asked"), [("500 Oh", 4), ("404 No", 1), ("403 No", 1), ("301 Away", 1)]
)
def test_statuses(server, tmp_path, status, asked):
    server.answer = lambda path, begin: (
        [head(status, Content_Length=0)] if path == "/a" else honest(CONTENT, begin)
    )
    assert f"HTTP {status[:3]}" in failure(server, tmp_path, "/a")
    assert len(server.asked) == asked
    assert get(server, tmp_path, "/a", "/b").read_bytes() == CONTENT


def test_redirects_are_followed_but_not_for_ever_nor_to_files(server, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    to = {"/a": "/data.bin", "/loop": "/loop", "/file": secret.as_uri()}
    server.answer = lambda path, begin: (
        [head("302 Found", Location=to[path], Content_Length=0)]
        if path in to
        else honest(CONTENT, begin)
    )
    assert get(server, tmp_path / "1", "/a").read_bytes() == CONTENT
    assert "HTTP 302" in failure(server, tmp_path / "2", "/loop")
    assert "not allowed" in failure(server, tmp_path / "3", "/file")


def test_another_range_than_was_asked_for(server, tmp_path):
    (tmp_path / "data.bin.partial").write_bytes(CONTENT[:1000])
    server.answer = lambda path, begin: honest(CONTENT, 0 if begin == 0 else begin + 7)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [begin for _, begin in server.asked] == [1000, 0]


def test_not_http_at_all(server, tmp_path):
    server.answer = lambda path, begin: [b"SSH-2.0-\x1b[31m\r\n"]
    assert r"SSH-2.0-\x1b[31m" in failure(server, tmp_path)
    server.answer = lambda path, begin: [head("404 \x1b[31mNo", Content_Length=0)]
    assert r"HTTP 404 \x1b[31mNo" in failure(server, tmp_path)
    server.answer = lambda path, begin: []
    assert "closed" in failure(server, tmp_path).lower()


def test_a_certificate_that_is_wrong_is_not_asked_again(server, tmp_path, monkeypatch):
    asked = []

    def refuse(self, request, **_):
        asked.append(request.full_url)
        raise urllib.error.URLError(ssl.SSLCertVerificationError("self-signed certificate"))

    monkeypatch.setattr(module.urllib.request.OpenerDirector, "open", refuse)
    assert "self-signed certificate" in failure(server, tmp_path)
    assert len(asked) == 1


def test_a_login_is_sent_to_its_host_and_never_shown(server, tmp_path):
    url = server.url.replace("://", "://jane:hunter%3A2@")
    source = Source(file="data.bin", md5=hashlib.md5(CONTENT).hexdigest(), folders=())
    told = []
    server.answer = lambda path, begin: (
        [head("302 Found", Location="/elsewhere", Content_Length=0)]
        if path == "/data.bin"
        else honest(CONTENT, begin)
    )
    download(source, tmp_path, urls=[f"{url}/data.bin"], progress=lambda *a: told.append(a[0]))
    assert set(told) == {f"{server.url}/data.bin"}
    assert server.logins == ["basic " + base64.b64encode(b"jane:hunter:2").decode().lower(), None]
    server.answer = lambda path, begin: [head("401 Log in", Content_Length=0)]
    with pytest.raises(StorageError) as caught:
        download(source, tmp_path / "new", urls=[f"{url}/data.bin"])
    assert "hunter" not in str(caught.value)


# --- proxies


def test_a_proxy_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    source = Source(file="data.bin", md5=hashlib.md5(CONTENT).hexdigest(), folders=())
    path = download(source, tmp_path, urls=["http://far.example/x/data.bin"], pause=0.001)
    assert path.read_bytes() == CONTENT
    assert server.asked == [("http://far.example/x/data.bin", 0)]


def test_a_proxy_that_fails_is_named_without_its_password(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://jane:hunter2@127.0.0.1:9")
    fact = failure(server, tmp_path)
    assert "refused (by the proxy of http_proxy)" in fact
    assert "hunter2" not in fact
    host = server.url.removeprefix("http://")
    monkeypatch.setenv("http_proxy", f"http://jane:hunter2@{host}")
    server.answer = lambda path, begin: [head("407 Log in", Content_Length=0)]
    fact = failure(server, tmp_path)
    assert "HTTP 407 Log in (by the proxy of http_proxy)" in fact
    assert "hunter2" not in fact
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.answer = lambda path, begin: honest(CONTENT, begin)
    assert get(server, tmp_path).read_bytes() == CONTENT


# --- the folder, and an end from outside


def test_a_disk_that_runs_full_keeps_what_came(server, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(StorageError) as caught:
        get(server, tmp_path)
    assert caught.value.code == "write-failed"
    assert caught.value.fact == "No space left on device"
    assert "data.bin is not here" in caught.value.consequence
    assert "--data-dir" in caught.value.hint
    monkeypatch.undo()
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_download_that_is_killed_is_resumed(server, tmp_path, sent):
    def slowly(path, begin):
        yield head(Content_Length=len(CONTENT))
        yield CONTENT[:200_000]
        killed.wait(30)

    killed = threading.Event()
    server.answer = slowly
    code = (
        "import signal, sys; from pathlib import Path\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # the shell may ignore it
        "from maskstat.prune.data.download import download\n"
        "from maskstat.prune.data.sources import Source\n"
        f"s = Source(file='data.bin', md5='{hashlib.md5(CONTENT).hexdigest()}', folders=())\n"
        "download(s, Path(sys.argv[1]), urls=[sys.argv[2]], "
        "progress=lambda u, n, t: print(n, flush=True))"
    )
    argv = [sys.executable, "-c", code, str(tmp_path), f"{server.url}/data.bin"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        while int(program.stdout.readline()) < 200_000:
            pass
        program.send_signal(sent)
    killed.set()
    there = (tmp_path / "data.bin.partial").stat().st_size
    assert 0 < there <= 200_000
    server.asked.clear()
    server.answer = lambda path, begin: honest(CONTENT, begin)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/data.bin", there)]


# --- each data set by its name, through the command


def idx(array):
    header = struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def idx_files(name, stems, classes):
    """Images and labels of a set in the format of MNIST: file to content."""
    rng = np.random.default_rng(list(name.encode()))
    found = {}
    for stem, n in zip(stems, (max(40, classes), max(20, classes)), strict=True):
        found[f"{stem}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (n, 28, 28)))
        found[f"{stem}-labels-idx1-ubyte"] = idx(rng.permutation(np.arange(n) % classes))
    return found


def packed_tar(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"folder/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def cifar_record(labels, rng):
    return bytes(labels) + rng.bytes(3072)


def published(name):
    """Small files of a data set as its hosts have them: name to content."""
    rng = np.random.default_rng(4)
    if name == "emnist":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            stems = ("emnist-balanced-train", "emnist-balanced-test")
            for file, data in idx_files(name, stems, 47).items():
                archive.writestr(f"gzip/{file}.gz", gzip.compress(data, mtime=0))
        return {"gzip.zip": stream.getvalue()}
    if name == "cifar10":
        names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
        data = b"".join(cifar_record([i], rng) for i in range(10))
        return {"cifar-10-binary.tar.gz": packed_tar(dict.fromkeys(names, data))}
    if name == "cifar100":
        data = b"".join(cifar_record([i // 5, i], rng) for i in range(100))
        return {
            "cifar-100-binary.tar.gz": packed_tar(dict.fromkeys(["train.bin", "test.bin"], data))
        }
    if name == "svhn":
        files = {}
        for part in ("train", "test"):
            stream = io.BytesIO()
            images = rng.integers(0, 256, (32, 32, 3, 20), dtype=np.uint8)
            savemat(stream, {"X": images, "y": (np.arange(20) % 10 + 1).astype(np.uint8)[:, None]})
            files[f"{part}_32x32.mat"] = stream.getvalue()
        return files
    files = idx_files(name, ("train", "t10k"), 10)
    return {f"{file}.gz": gzip.compress(data, mtime=0) for file, data in files.items()}


@pytest.fixture
def mirror(server, monkeypatch):
    """Let small files be the published ones, on a mirror."""
    files, changed = {}, {}
    for name in SOURCES:
        made = published(name)
        assert {source.file for source in SOURCES[name]} == set(made)
        files |= {f"/m/{name}/{file}": data for file, data in made.items()}
        changed[name] = tuple(
            Source(file=file, md5=hashlib.md5(data).hexdigest(), folders=("http://x.invalid/",))
            for file, data in made.items()
        )
    for holder in (sources, genuine, registry):
        monkeypatch.setattr(holder, "SOURCES", MappingProxyType(changed))
    monkeypatch.setenv("MASKSTAT_MIRROR", f"{server.url}/m")
    server.answer = lambda path, begin: (
        honest(files[path], begin) if path in files else [head("404 No", Content_Length=0)]
    )
    server.files = files
    return server


@pytest.mark.parametrize("name", list(SOURCES))
def test_each_data_set_comes_whole_and_once(mirror, tmp_path, name):
    told = []
    dataset = load(name, data_dir=tmp_path, download=True, progress=lambda *a: told.append(a))
    assert dataset.notes == ()
    assert len(np.unique(dataset.labels)) == dataset.classes
    wanted = {f"/m/{name}/{source.file}" for source in SOURCES[name]}
    assert {path for path, _ in mirror.asked} == wanted
    sizes = {url.removeprefix(mirror.url): (done, total) for url, done, total in told}
    assert sizes == {path: (len(mirror.files[path]),) * 2 for path in wanted}
    mirror.asked.clear()
    again = load(name, data_dir=tmp_path, download=True)
    assert again.digest == dataset.digest
    assert load(name, data_dir=tmp_path).digest == dataset.digest, "and without --download"
    assert mirror.asked == []


def test_an_archive_that_a_browser_unpacked_is_not_the_one_that_is_read(mirror, tmp_path):
    (tmp_path / "cifar-10-binary.tar").write_bytes(b"unpacked")
    assert load("cifar10", data_dir=tmp_path, download=True).notes == ()


@pytest.mark.parametrize("name", list(SOURCES))
def test_what_offline_helps(monkeypatch, tmp_path, name):
    """No host is there: the error says what to carry, and carrying it helps."""
    monkeypatch.setenv("MASKSTAT_MIRROR", "http://127.0.0.1:9")
    words = ["prune", "--dataset", name, "--data-dir", str(tmp_path), "-o", str(tmp_path / "r.h5")]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 3
    assert "[no-data-files]" in result.stderr
    assert "--download" in result.stderr
    assert "without internet, carry" in result.stderr
    assert SOURCES[name][0].folders[0] in result.stderr
    result = CliRunner().invoke(cli, [*words, "--download"])
    assert result.exit_code == 4
    first = SOURCES[name][0].file
    assert f"{first}: http://127.0.0.1:9/{name}/{first}: Connection refused" in result.stderr
    assert "it is not here [download-failed]" in result.stderr
    assert f"carry {first} from another machine into {tmp_path / name}" in result.stderr
    assert not (tmp_path / "r.h5").exists()


def test_the_command_tells_how_far_it_is(mirror, tmp_path):
    words = ["prune", "--dataset", "kmnist", "--download", "--data-dir", str(tmp_path)]
    size = ["--iterations", "1", "--epochs", "1", "-o", str(tmp_path / "r.h5")]
    result = CliRunner().invoke(cli, [*words, *size], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    for source in SOURCES["kmnist"]:
        assert f"downloading {mirror.url}/m/kmnist/{source.file} (0.0 MB)" in result.stderr
    assert os.path.exists(tmp_path / "r.h5")
