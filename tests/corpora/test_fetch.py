"""The downloader against a small server: broken connections, wrong contents, archives that mean harm."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kwsbench.corpora.fetch import ARCHIVES, BASE_URL, Archive, fetch
from kwsbench.errors import UserError

NAME = "speech_commands_v0.02"
FILES = {"yes/0a1b_nohash_0.wav": b"yes" * 2000, "_background_noise_/hum.wav": bytes(range(256)) * 40}


def packed(files: dict[str, bytes], extra: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    """A .tar.gz that does not compress well enough to fit into one read."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz", compresslevel=0) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return memory.getvalue()


ARCHIVE = packed(FILES)
KNOWN = {NAME: Archive(len(ARCHIVE), hashlib.sha256(ARCHIVE).hexdigest())}


class Server:
    """Serves one content under every name; ``requests`` holds the Range header of each request."""

    def __init__(self, content: bytes) -> None:
        self.content, self.requests = content, []
        self.break_after: list[int] = []  # bytes after which the next connections break
        self.ranges = self.length = True
        self.status = 200
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.requests.append(wanted)
        if self.status != 200:
            handler.send_error(self.status)
            return
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if begin >= len(self.content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
            handler.end_headers()
            return
        handler.send_response(206 if begin else 200)
        if self.length:
            handler.send_header("Content-Length", str(len(self.content) - begin))
        handler.end_headers()
        end = begin + self.break_after.pop(0) if self.break_after else len(self.content)
        handler.wfile.write(self.content[begin:end])


@pytest.fixture
def server():
    made = Server(ARCHIVE)
    yield made
    made.http.shutdown()
    made.http.server_close()


def got(root, server, archives=KNOWN):
    return fetch(NAME, root, base_url=server.url, archives=archives)


def test_an_archive_is_downloaded_verified_and_unpacked(tmp_path, server):
    seen = []
    folder = fetch(NAME, tmp_path, base_url=server.url, archives=KNOWN, progress=lambda phase, *_: seen.append(phase))
    assert folder == tmp_path / NAME
    for name, content in FILES.items():
        assert (folder / name).read_bytes() == content
    record = json.loads((tmp_path / f"{NAME}.json").read_text())
    assert record["sha256"] == KNOWN[NAME].sha256 and record["bytes"] == len(ARCHIVE) and record["verified"]
    assert list(dict.fromkeys(seen)) == [f"{what} {NAME}" for what in ("downloading", "verifying", "unpacking")]
    assert got(tmp_path, server) == folder
    assert server.requests == [None]


def test_a_broken_download_goes_on_where_it_broke(tmp_path, server):
    server.break_after = [5000, 3000]
    got(tmp_path, server)
    assert server.requests == [None, "bytes=5000-", "bytes=8000-"]


def test_a_download_of_an_earlier_run_goes_on(tmp_path, server):
    (tmp_path / f"{NAME}.tar.gz.part").write_bytes(ARCHIVE[:7000])
    got(tmp_path, server)
    assert server.requests == ["bytes=7000-"]


def test_a_server_that_cannot_resume_starts_anew(tmp_path, server):
    server.ranges, server.break_after = False, [5000]
    assert (got(tmp_path, server) / "yes/0a1b_nohash_0.wav").read_bytes() == FILES["yes/0a1b_nohash_0.wav"]


@pytest.mark.parametrize("length", [True, False])
def test_an_archive_of_unknown_checksum_is_recorded_as_it_came(tmp_path, server, length):
    server.length = length
    got(tmp_path, server, {NAME: Archive()})
    record = json.loads((tmp_path / f"{NAME}.json").read_text())
    assert record["sha256"] == KNOWN[NAME].sha256 and record["bytes"] == len(ARCHIVE)
    assert record["verified"] is False and "unverified" in record["note"]


def test_a_whole_part_of_unknown_size_is_not_downloaded_again(tmp_path, server):
    (tmp_path / f"{NAME}.tar.gz.part").write_bytes(ARCHIVE)
    assert got(tmp_path, server, {NAME: Archive()}).is_dir()


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (Archive(len(ARCHIVE), "0" * 64), "has SHA-256"),
        (Archive(len(ARCHIVE) - 1, KNOWN[NAME].sha256), "bytes, published are"),
    ],
)
def test_another_archive_than_the_published_one_is_set_aside(tmp_path, server, archive, said):
    with pytest.raises(UserError, match=said):
        got(tmp_path, server, {NAME: archive})
    assert (tmp_path / f"{NAME}.tar.gz.bad").is_file()
    assert not (tmp_path / NAME).exists() and not (tmp_path / f"{NAME}.tar.gz").exists()


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    "harmful",
    [
        member("../outside.wav", tarfile.REGTYPE),
        member("/outside.wav", tarfile.REGTYPE),
        member("yes/link.wav", tarfile.SYMTYPE, "../../outside.wav"),
        member("yes/link.wav", tarfile.LNKTYPE, "../outside.wav"),
        member("yes/device", tarfile.CHRTYPE),
    ],
    ids=lambda m: f"{m.name} {m.type.decode()}",
)
def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path, server, harmful):
    server.content = packed(FILES, (harmful,))
    root = tmp_path / "data"
    with pytest.raises(UserError, match="cannot be unpacked safely"):
        got(root, server, {NAME: Archive()})
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert not (root / NAME).exists()
    assert not [path for path in root.iterdir() if path.is_dir()]


def test_a_cut_archive_is_set_aside(tmp_path, server):
    server.content = ARCHIVE[:-4000]
    with pytest.raises(UserError, match="cannot be unpacked safely"):
        got(tmp_path, server, {NAME: Archive()})
    assert (tmp_path / f"{NAME}.tar.gz.bad").is_file()


def test_a_refusing_server_says_what_to_do_by_hand(tmp_path, server):
    server.status = 404
    with pytest.raises(UserError) as caught:
        got(tmp_path, server)
    assert "404" in str(caught.value)
    assert f"put it at {tmp_path / NAME}.tar.gz" in str(caught.value)


def test_an_archive_put_there_by_hand_is_used(tmp_path, server):
    (tmp_path / f"{NAME}.tar.gz").write_bytes(ARCHIVE)
    assert got(tmp_path, server).is_dir()
    assert server.requests == []


def test_a_folder_that_is_there_is_left_alone(tmp_path, server):
    (tmp_path / NAME / "yes").mkdir(parents=True)
    with pytest.raises(UserError, match="is there already"):
        got(tmp_path, server)
    assert server.requests == []


def test_too_little_space_is_said_before_anything_is_written(tmp_path, server, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(UserError, match="are free"):
        got(tmp_path, server)


def test_an_unknown_name_gets_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"did you mean speech_commands_v0\.02"):
        fetch("speech_command_v0.02", tmp_path)


def test_what_was_published():
    assert BASE_URL == "http://download.tensorflow.org/data"
    assert {name: (archive.size, archive.sha256) for name, archive in ARCHIVES.items()} == {
        "speech_commands_v0.01": (
            1_489_096_277, "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
        ),
        "speech_commands_v0.02": (
            2_428_923_189, "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        ),
        "speech_commands_test_set_v0.01": (None, None),
        "speech_commands_test_set_v0.02": (
            112_563_277, "cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
        ),
    }  # fmt: skip


def test_the_command_without_a_network(tmp_path):
    command = [sys.executable, "-m", "kwsbench", "data", "fetch", NAME, "--data", str(tmp_path)]
    done = subprocess.run([*command, "--base-url", "http://127.0.0.1:9"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "by hand" in done.stderr and f"{NAME}.tar.gz" in done.stderr
    assert "Traceback" not in done.stderr
