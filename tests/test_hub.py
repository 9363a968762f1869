"""The local hub: what huggingface_hub and those who build on it can do, and what it refuses."""

import http.client
import json
import os
import subprocess
import sys
import textwrap
from urllib.parse import urlsplit

import pytest

from helpers import hub

REPO = "student/first-model"


@pytest.fixture
def place(tmp_path):
    with hub.start(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def api(place):
    from huggingface_hub import HfApi

    return HfApi(endpoint=place.url, token="any-word")


def ask(place, method, path, body=None, headers=None):
    """Status, headers and body of one raw request; the path is sent as it is."""
    connection = http.client.HTTPConnection(urlsplit(place.url).netloc, timeout=10)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.headers), content


def put(place, name="config.json", content=b"{}", repo=REPO, kind="model"):
    target = place.place(repo, kind) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


@pytest.mark.parametrize("kind", hub.KINDS)
def test_push_and_pull(place, api, tmp_path, kind):
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "README.md").write_text("---\nlicense: mit\n---\n# A card\n", encoding="utf-8")
    (source / "deep" / "numbers.bin").write_bytes(bytes(range(256)) * 5000)
    url = api.create_repo(REPO, repo_type=kind)
    assert url.repo_id == REPO
    api.upload_folder(repo_id=REPO, folder_path=source, repo_type=kind)
    assert sorted(api.list_repo_files(REPO, repo_type=kind)) == ["README.md", "deep/numbers.bin"]
    target = api.snapshot_download(REPO, repo_type=kind, local_dir=tmp_path / "target")
    for name in ("README.md", "deep/numbers.bin"):
        assert (source / name).read_bytes() == (tmp_path / "target" / name).read_bytes(), target


def test_change_and_delete(place, api):
    api.create_repo(REPO)
    before = api.repo_info(REPO).sha
    api.upload_file(path_or_fileobj=b"one", path_in_repo="a.txt", repo_id=REPO)
    first = api.repo_info(REPO).sha
    api.upload_file(path_or_fileobj=b"two", path_in_repo="a.txt", repo_id=REPO)
    assert len({before, first, api.repo_info(REPO).sha}) == 3
    assert api.file_exists(REPO, "a.txt") and not api.file_exists(REPO, "b.txt")
    api.delete_file("a.txt", REPO)
    assert api.list_repo_files(REPO) == []
    assert api.repo_exists(REPO)
    api.delete_repo(REPO)
    assert not api.repo_exists(REPO)


def test_create_twice(place, api):
    from huggingface_hub.errors import HfHubHTTPError

    api.create_repo(REPO)
    api.create_repo(REPO, exist_ok=True)
    with pytest.raises(HfHubHTTPError, match=r"409|already"):
        api.create_repo(REPO)


def test_what_is_not_there(place, api):
    from huggingface_hub.errors import (
        EntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    with pytest.raises(RepositoryNotFoundError):
        api.model_info("student/missing")
    put(place)
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(REPO, "missing.json")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(REPO, revision="v9")
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info(REPO)  # a model of that name is no data set


def test_by_name(place, tmp_path):
    """With HF_ENDPOINT, from_pretrained and load_dataset take names, as they do from the hub."""
    put(place, "config.json", json.dumps({"model_type": "gpt2", "n_embd": 8, "n_layer": 1,
                                          "n_head": 1, "vocab_size": 11}).encode())  # fmt: skip
    rows = b'{"text": "one", "label": 0}\n{"text": "two", "label": 1}\n'
    put(place, "train.jsonl", rows, "student/rows", "dataset")
    code = """
        from transformers import AutoConfig
        from datasets import load_dataset
        print(AutoConfig.from_pretrained("student/first-model").vocab_size)
        print(load_dataset("student/rows", split="train")["text"][:])
        print(next(iter(load_dataset("student/rows", split="train", streaming=True)))["text"])
    """
    environment = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    environment |= {"HF_ENDPOINT": place.url, "HF_HOME": str(tmp_path / "home"),
                    "HF_HUB_DISABLE_TELEMETRY": "1"}  # fmt: skip
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.stdout.splitlines() == ["11", "['one', 'two']", "one"], done.stderr[-2000:]


def test_parts_of_a_file(place):
    put(place, "letters.txt", b"abcdefgh")
    path = f"/{REPO}/resolve/main/letters.txt"
    status, headers, content = ask(place, "GET", path, headers={"Range": "bytes=2-4"})
    assert (status, content, headers["Content-Range"]) == (206, b"cde", "bytes 2-4/8")
    assert ask(place, "GET", path, headers={"Range": "bytes=6-"})[2] == b"gh"
    assert ask(place, "GET", path, headers={"Range": "bytes=9-12"})[0] == 416
    status, headers, content = ask(place, "HEAD", path)
    assert (status, headers["Content-Length"], content) == (200, "8", b"")
    assert len(headers["X-Repo-Commit"]) == 40 and headers["ETag"]


@pytest.mark.parametrize(
    "path",
    [
        f"/{REPO}/resolve/main/../../../secret.txt",
        f"/{REPO}/resolve/main/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        f"/{REPO}/resolve/main//etc/passwd",
        f"/{REPO}/resolve/main/..%5c..%5csecret.txt",
        "/../secret/resolve/main/secret.txt",
    ],
)
def test_no_way_out_when_reading(place, path):
    put(place)
    (place.folder / "secret.txt").write_text("secret", encoding="utf-8")
    status, _, content = ask(place, "GET", path)
    assert status == 404 and content != b"secret"


@pytest.mark.parametrize("name", ["../../../out.txt", "/out.txt", "a/../../x/out.txt", "..\\out"])
def test_no_way_out_when_writing(place, name):
    put(place)
    before = sorted(place.folder.parent.rglob("*"))
    paths = ["good.txt", name]
    files = [{"path": path, "content": "YQ==", "encoding": "base64"} for path in paths]
    lines = [{"key": "header", "value": {"summary": "s"}}]
    lines += [{"key": "file", "value": file} for file in files]
    body = "\n".join(map(json.dumps, lines))
    assert ask(place, "POST", f"/api/models/{REPO}/commit/main", body)[0] == 404
    assert sorted(place.folder.parent.rglob("*")) == before  # nothing of it, the good file neither


@pytest.mark.parametrize(
    "body", ["", "no json", "[]", '{"key": "file"}', '{"key": "x", "value": 1}']
)
def test_requests_that_make_no_sense(place, body):
    put(place)
    status, _, _ = ask(place, "POST", f"/api/models/{REPO}/commit/main", body)
    assert status == (200 if body == "" else 400)
    assert ask(place, "POST", "/api/repos/create", body)[0] == 400
    assert ask(place, "GET", f"/{REPO}/resolve/main/config.json")[2] == b"{}"  # it still answers


def test_loopback_only_and_stops(tmp_path):
    running = hub.start(tmp_path)
    assert running.server.server_address[0] == "127.0.0.1"
    running.stop()
    with pytest.raises(OSError):
        ask(running, "GET", "/api/whoami-v2")


def test_bad_arguments(place, tmp_path):
    file = tmp_path / "file.txt"
    file.touch()
    with pytest.raises(NotADirectoryError, match=r"needs a folder, and file\.txt is a file"):
        hub.start(file)
    with pytest.raises(ValueError, match="'owner/name', not 'alone'"):
        place.place("alone")
    with pytest.raises(ValueError, match="not 'space'"):
        place.place(REPO, "space")
