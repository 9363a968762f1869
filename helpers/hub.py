"""A small model hub on this machine, so that pushing and pulling can be done without a network.

Speaks as much of the Hugging Face hub's HTTP interface as `huggingface_hub` needs to create, fill,
read and delete repositories of models and data sets: no accounts, no history, no large-file store.
It listens on the loopback address only.
"""

import base64
import hashlib
import json
import re
import shutil
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

KINDS = ("model", "dataset")
LARGEST = 512 * 2**20  # bytes in one upload
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
REPOSITORY = rf"(?P<repo>{NAME}/{NAME})"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *request: object) -> None:
        """Say nothing of a client that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*request)


class Hub:
    """A running hub. `url` is its address; repositories are folders below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        hub = self

        class Handler(_Handler):
            keeper = hub

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def place(self, repo: str, kind: str = "model") -> Path:
        """The folder of a repository, "owner/name", whether it is there yet or not.

        Errors: ValueError for a kind that is neither model nor dataset, or for another name.
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be 'model' or 'dataset', not {kind!r}")
        if not isinstance(repo, str) or not re.fullmatch(REPOSITORY, repo) or ".." in repo:
            raise ValueError(f"a repository is named 'owner/name', not {repo!r}")
        return self.folder / f"{kind}s" / repo

    def stop(self) -> None:
        """Stop listening; what was uploaded stays in `folder`. May be called twice."""
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> "Hub":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(folder: str | Path) -> Hub:
    """Start a hub that keeps its repositories below `folder`, which is made if it is missing.

    Errors: NotADirectoryError if `folder` is a file.
    """
    folder = Path(folder).resolve()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"the hub needs a folder, and {folder.name} is a file")
    folder.mkdir(parents=True, exist_ok=True)
    return Hub(folder)


def _files(place: Path) -> dict[str, Path]:
    """Every file of a repository, by its path as the hub writes it."""
    found = sorted(path for path in place.rglob("*") if path.is_file())
    return {path.relative_to(place).as_posix(): path for path in found}


def _mark(content: bytes) -> str:
    """The hash by which git, and so the hub, knows a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _revision(place: Path) -> str:
    """A hash of all files: the repository's commit, as far as this hub has commits."""
    marks = [f"{name} {_mark(path.read_bytes())}" for name, path in _files(place).items()]
    return hashlib.sha1("\n".join(marks).encode()).hexdigest()


class _Refused(Exception):
    """A request that is answered with an error: HTTP status, the hub's code, one sentence."""


class _Handler(BaseHTTPRequestHandler):
    """One request. Routes are tried in order; a handler is named after what it answers."""

    keeper: Hub
    protocol_version = "HTTP/1.1"
    KIND = r"(?P<kind>models|datasets)"
    ROUTES = (
        ("GET", r"/api/whoami-v2", "whoami"),
        ("GET", rf"/api/{KIND}/{REPOSITORY}(/revision/(?P<rev>[^/]+))?", "info"),
        ("GET", rf"/api/{KIND}/{REPOSITORY}/tree/(?P<rev>[^/]+)(/(?P<path>.+))?", "tree"),
        ("GET", rf"/api/{KIND}/{REPOSITORY}/refs", "refs"),
        ("POST", rf"/api/{KIND}/{REPOSITORY}/paths-info/(?P<rev>[^/]+)", "paths"),
        ("POST", rf"/api/{KIND}/{REPOSITORY}/preupload/(?P<rev>[^/]+)", "preupload"),
        ("POST", rf"/api/{KIND}/{REPOSITORY}/commit/(?P<rev>[^/]+)", "commit"),
        ("POST", r"/api/repos/create", "create"),
        ("DELETE", r"/api/repos/delete", "delete"),
        ("POST", r"/api/validate-yaml", "validate"),
        (
            "GET",
            rf"(/(?P<kind>datasets))?/{REPOSITORY}/resolve/(?P<rev>[^/]+)/(?P<path>.+)",
            "file",
        ),
    )

    def answer(self) -> None:
        method = "GET" if self.command == "HEAD" else self.command
        path = unquote(urlsplit(self.path).path)
        try:
            length = int(self.headers.get("Content-Length") or 0)
            if length > LARGEST:
                self.close_connection = True
                raise _Refused(413, "TooLarge", "the upload is too large for this hub")
            self.body = self.rfile.read(length)
            for verb, pattern, name in self.ROUTES:
                if verb == method and (match := re.fullmatch(pattern, path)):
                    with self.keeper.lock:
                        getattr(self, name)(**match.groupdict())
                    return
            raise _Refused(404, "EntryNotFound", f"this hub has nothing at {path}")
        except _Refused as refused:
            status, code, text = refused.args
            self.send({"error": text}, status, {"X-Error-Code": code, "X-Error-Message": text})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.send({"error": f"this request cannot be read ({type(error).__name__})"}, 400)
        except ConnectionError:
            raise  # the client went away
        except OSError as error:
            text = f"the hub's folder cannot be used ({error.strerror})"
            self.send({"error": text}, 507, {"X-Error-Message": text})

    do_GET = do_HEAD = do_POST = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        """Stay silent: a lesson prints what it wants to show."""

    def send(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
        self.send_response(status)
        lines = {"Content-Type": kind, "Content-Length": str(len(body))} | (headers or {})
        for name, value in lines.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # ------------------------------------------------------------ what is there

    def repository(self, kind: str | None, repo: str, rev: str | None = None) -> Path:
        try:
            place = self.keeper.place(repo, (kind or "models").removesuffix("s"))
        except ValueError:
            place = None
        if place is None or not place.is_dir():
            raise _Refused(404, "RepoNotFound", f"this hub has no {repo}")
        if rev not in (None, "main", _revision(place)):
            raise _Refused(404, "RevisionNotFound", f"{repo} has no revision {rev}")
        return place

    def inside(self, place: Path, path: str) -> Path:
        target = (place / path).resolve()
        if "\\" in path or not target.is_relative_to(place.resolve()) or target == place.resolve():
            raise _Refused(404, "EntryNotFound", "a file's path must stay in its repository")
        return target

    def whoami(self) -> None:
        self.send({"type": "user", "name": "student", "fullname": "A student", "orgs": [],
                   "auth": {"accessToken": {"role": "write"}}})  # fmt: skip

    def info(self, kind: str, repo: str, rev: str | None) -> None:
        place = self.repository(kind, repo, rev)
        self.send({
            "_id": repo, "id": repo, "modelId": repo, "author": repo.split("/")[0],
            "sha": _revision(place), "private": False, "gated": False, "disabled": False,
            "downloads": 0, "likes": 0, "tags": [], "cardData": {},
            "siblings": [{"rfilename": name} for name in _files(place)],
        })  # fmt: skip

    def refs(self, kind: str, repo: str) -> None:
        place = self.repository(kind, repo)
        head = {"name": "main", "ref": "refs/heads/main", "targetCommit": _revision(place)}
        self.send({"branches": [head], "converts": [], "tags": []})

    def entries(self, place: Path, names: list[str]) -> list[dict[str, Any]]:
        files, found = _files(place), []
        for name in names:
            if name in files:
                content = files[name].read_bytes()
                found.append({"type": "file", "path": name, "size": len(content),
                              "oid": _mark(content)})  # fmt: skip
            elif any(other.startswith(f"{name}/") for other in files):
                found.append({"type": "directory", "path": name, "size": 0, "oid": "0" * 40})
        return found

    def tree(self, kind: str, repo: str, rev: str, path: str | None) -> None:
        place = self.repository(kind, repo, rev)
        start = f"{path.strip('/')}/" if path else ""
        names = [name for name in _files(place) if name.startswith(start)]
        if path and not names:
            raise _Refused(404, "EntryNotFound", f"{repo} has no {path}")
        if not re.search(r"\brecursive=(1|true)", self.path, re.IGNORECASE):
            names = sorted({start + name.removeprefix(start).split("/")[0] for name in names})
        self.send(self.entries(place, names))

    def paths(self, kind: str, repo: str, rev: str) -> None:
        place = self.repository(kind, repo, rev)
        if "json" in self.headers.get("Content-Type", ""):
            names = json.loads(self.body)["paths"]
        else:
            from urllib.parse import parse_qs

            names = parse_qs(self.body.decode()).get("paths", [])
        names = [names] if isinstance(names, str) else names
        self.send(self.entries(place, names))

    def file(self, kind: str | None, repo: str, rev: str, path: str) -> None:
        place = self.repository(kind, repo, rev)
        target = self.inside(place, path)
        commit = {"X-Repo-Commit": _revision(place)}
        if not target.is_file():
            text = f"{repo} has no {path}"
            raise _Refused(404, "EntryNotFound", text)
        content = target.read_bytes()
        headers = commit | {"ETag": f'"{_mark(content)}"', "Accept-Ranges": "bytes"}
        if part := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first = int(part[1])
            last = min(int(part[2] or len(content) - 1), len(content) - 1)
            if first > last:
                raise _Refused(416, "RangeNotSatisfiable", f"{path} ends before byte {first}")
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            self.send(content[first : last + 1], 206, headers)
        else:
            self.send(content, 200, headers)

    # ------------------------------------------------------------ what changes it

    def wanted(self) -> tuple[str, str]:
        asked = json.loads(self.body)
        kind, name = asked.get("type") or "model", asked["name"]
        return kind, name if "/" in name else f"{asked.get('organization') or 'student'}/{name}"

    def create(self) -> None:
        kind, repo = self.wanted()
        place = self.keeper.place(repo, kind)
        url = f"{self.keeper.url}/{'datasets/' if kind == 'dataset' else ''}{repo}"
        if place.exists():
            self.send({"error": f"this hub has {repo} already", "url": url}, 409)
        else:
            place.mkdir(parents=True)
            self.send({"url": url, "name": repo, "id": repo})

    def delete(self) -> None:
        kind, repo = self.wanted()
        shutil.rmtree(self.repository(f"{kind}s", repo))
        self.send({})

    def validate(self) -> None:
        self.send({"errors": [], "warnings": []})

    def preupload(self, kind: str, repo: str, rev: str) -> None:
        self.repository(kind, repo, rev)
        files = json.loads(self.body)["files"]
        answers = [
            {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
            for file in files
        ]
        self.send({"files": answers})

    def commit(self, kind: str, repo: str, rev: str) -> None:
        """All of a commit or nothing: every line is read, and every file written beside the
        repository, before the first takes its place."""
        place = self.repository(kind, repo, rev)
        writes: dict[Path, bytes] = {}
        deletes: list[Path] = []
        for line in self.body.decode().splitlines():
            operation = json.loads(line)
            key, value = operation["key"], operation["value"]
            if key == "file":
                target = self.inside(place, value["path"])
                writes[target] = base64.b64decode(value["content"], validate=True)
            elif key in ("deletedFile", "deletedFolder"):
                deletes.append(self.inside(place, value["path"]))
            elif key != "header":
                raise _Refused(400, "BadRequest", f"this hub does not know the operation {key}")
        with tempfile.TemporaryDirectory(prefix="unfinished-", dir=self.keeper.folder) as work:
            for number, content in enumerate(writes.values()):
                Path(work, str(number)).write_bytes(content)
            for target in deletes:
                if target.is_dir():
                    shutil.rmtree(target)
                else:
                    target.unlink(missing_ok=True)
            for number, target in enumerate(writes):
                target.parent.mkdir(parents=True, exist_ok=True)
                Path(work, str(number)).replace(target)
        sha = _revision(place)
        prefix = "datasets/" if kind == "datasets" else ""
        url = f"{self.keeper.url}/{prefix}{repo}/commit/{sha}"
        self.send({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})
