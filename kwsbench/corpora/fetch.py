"""Getting Speech Commands from its official address: resumed, verified, unpacked whole or not at all.

<root>/<name>.tar.gz.part   so far; the next call goes on from there
<root>/<name>.tar.gz        the archive, verified; may be deleted once it is unpacked
<root>/<name>.tar.gz.bad    an archive that is not what was published
<root>/<name>.json          what arrived: address, bytes, SHA-256
<root>/<name>/              the recordings, with ``.complete`` in it
"""

import difflib
import gzip
import hashlib
import http.client
import json
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent

BASE_URL = "http://download.tensorflow.org/data"
CHUNK = 1 << 20
TIMEOUT = 60  # seconds without a byte
UNPACKED = 1.5  # bytes on disk for one in the archive; 1.4 measured
MARKER = ".complete"


@dataclass(frozen=True)
class Archive:
    """What was published: bytes and SHA-256; None where nobody has published it."""

    size: int | None = None
    sha256: str | None = None


ARCHIVES: dict[str, Archive] = {
    "speech_commands_v0.01": Archive(1_489_096_277, "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d"),
    "speech_commands_v0.02": Archive(2_428_923_189, "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"),
    "speech_commands_test_set_v0.01": Archive(),
    "speech_commands_test_set_v0.02": Archive(
        112_563_277, "cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df"
    ),
}


def fetch(
    name: str,
    root: Path,
    *,
    base_url: str = BASE_URL,
    progress: Progress = silent,
    archives: Mapping[str, Archive] = ARCHIVES,
) -> Path:
    """The folder ``root/name``, downloaded, verified and unpacked if it is not there yet.

    An archive that already lies in ``root`` is used. Where no checksum is published, what arrived is recorded in
    ``root/name.json`` with ``"verified": false``.

    Raises
    ------
    UserError : unknown name; no network or not enough space; an archive that is not the published one.
    """
    if name not in archives:
        near = difflib.get_close_matches(name, archives, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"{name!r} cannot be fetched", todo=f"{hint}Known: {', '.join(archives)}")
    folder = root / name
    if (folder / MARKER).is_file():
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        todo = "it can be used as it is; to fetch it anew, move it away first"
        raise UserError("is there already, and not from a finished download", str(folder), todo)
    root.mkdir(parents=True, exist_ok=True)
    job = _Job(name, root, f"{base_url.rstrip('/')}/{name}.tar.gz", archives[name], progress)
    if not job.archive.is_file():
        job.download()
    digest = job.verify()
    job.unpack(digest)
    return folder


# pooch, the usual library for this, starts a broken download from the beginning


@dataclass(frozen=True)
class _Job:
    name: str
    root: Path
    url: str
    published: Archive
    progress: Progress

    @property
    def archive(self) -> Path:
        return self.root / f"{self.name}.tar.gz"

    @property
    def part(self) -> Path:
        return self.root / f"{self.name}.tar.gz.part"

    def download(self) -> None:
        """Fill the .part file, going on as long as every connection brings something, and rename it when whole."""
        while True:
            before = _size(self.part)
            if self.published.size is not None and before >= self.published.size:
                break  # whole, or too long: verified next
            try:
                total = self._receive(before)
                cause: Exception | None = None
            except (OSError, http.client.HTTPException) as e:
                total, cause = None, e
            have = _size(self.part)
            if total is not None and have >= total:
                break
            if have <= before:
                raise self._unreachable(cause) from cause
        self.part.replace(self.archive)

    def _receive(self, have: int) -> int:
        """Append what one connection brings; the whole archive's size. A server that cannot resume starts anew."""
        request = urllib.request.Request(self.url, headers={"Range": f"bytes={have}-"} if have else {})
        try:
            answer = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as e:
            size = (e.headers.get("Content-Range") or "").rpartition("/")[2]
            if e.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and size == str(have):
                return have
            raise
        with answer:
            resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            done = have if resumed else 0
            length = answer.headers.get("Content-Length")
            # without a length the end of the connection is the end of the file
            total = self.published.size or (done + int(length) if length else None)
            self._check_space(total or 0, done)
            with self.part.open("ab" if resumed else "wb") as file:
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    self.progress(f"downloading {self.name}", done, total or 0)
        return total if total is not None else done

    def _check_space(self, size: int, done: int) -> None:
        needed = int(size * (1 + UNPACKED)) - done
        free = shutil.disk_usage(self.root).free
        if free < needed:
            what = f"{needed / 1e9:.1f} GB are needed for {self.name}, {free / 1e9:.1f} GB are free"
            raise UserError(what, str(self.root), "make room, or name another folder with --data")

    def _unreachable(self, cause: Exception | None) -> UserError:
        have = _size(self.part)
        what = f"{self.url} cannot be downloaded ({cause or 'the connection ends early'})"
        if have:
            what += f"; {have:,} bytes are here and will be gone on from"
        todo = f"try again later, or download {self.url} by hand, put it at {self.archive} and run the command again"
        return UserError(what, todo=todo)

    def verify(self) -> str:
        """Compare size and SHA-256 with what was published, and record what arrived; the SHA-256."""
        size = _size(self.archive)
        if self.published.size is not None and size != self.published.size:
            raise self._bad(f"has {size:,} bytes, published are {self.published.size:,}")
        digest, done = hashlib.sha256(), 0
        with self.archive.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                done += len(chunk)
                self.progress(f"verifying {self.name}", done, size)
        found = digest.hexdigest()
        if self.published.sha256 is not None and found != self.published.sha256:
            raise self._bad(f"has SHA-256 {found}, published is {self.published.sha256}")
        verified = self.published.sha256 is not None
        record = {"name": self.name, "address": self.url, "bytes": size, "sha256": found, "verified": verified}
        if not verified:
            record["note"] = "no size or checksum is published for this archive: this is what arrived, unverified"
        unfinished = self.root / f".{self.name}.json.part"
        unfinished.write_text(json.dumps(record, indent=1) + "\n")
        unfinished.replace(self.root / f"{self.name}.json")
        return found

    def _bad(self, what: str) -> UserError:
        aside = self.archive.with_name(f"{self.archive.name}.bad")
        self.archive.replace(aside)
        todo = f"it was set aside as {aside.name}; run the command again to download it anew from {self.url}"
        return UserError(f"is not the published archive: it {what}", str(self.archive), todo)

    def unpack(self, digest: str) -> None:
        """Unpack beside the final folder, and rename when whole; the archives have no folder of their own."""
        if not hasattr(tarfile, "data_filter"):
            todo = f"use Python 3.11.4 or newer, or unpack it by hand into {self.root / self.name}"
            raise UserError("this Python cannot unpack archives safely", str(self.archive), todo)
        unfinished = Path(tempfile.mkdtemp(dir=self.root, prefix=f".{self.name}."))
        try:
            try:
                self._extract(unfinished)
            except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as e:
                raise self._bad(f"cannot be unpacked safely: {e}") from e
            except OSError as e:
                todo = "make room or allow writing there"
                raise UserError(f"cannot be unpacked: {e}", str(self.archive), todo) from e
            (unfinished / MARKER).write_text(f"{digest}\n")
            unfinished.chmod(0o777 & ~_umask())  # temporary folders are their maker's alone
            folder = self.root / self.name
            if folder.is_dir():
                folder.rmdir()  # an empty one
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _extract(self, target: Path) -> None:
        size = _size(self.archive)
        with self.archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:gz") as tar:
            for member in tar:
                tar.extract(_recording(member), target, filter="data")
                self.progress(f"unpacking {self.name}", raw.tell(), size)


def _recording(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The member, if it is a plain file or folder below the archive's root: stricter than tarfile's own filter."""
    if not (member.isfile() or member.isdir()):
        raise tarfile.ExtractError(f"{member.name!r} is neither file nor folder")
    if member.name.startswith("/") or ".." in Path(member.name).parts:
        raise tarfile.ExtractError(f"{member.name!r} leads out of the folder")
    return member


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
