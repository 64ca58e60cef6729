"""With ``--json`` errors are JSON, one object as the last line of standard error, with the exit code of any error."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from inr.cli.main import main
from inr.errors import InrError
from tests.support.commands import is_one_error, run
from tests.support.servers import RunningServer

UNKNOWN = "0" * 27


@pytest.fixture
def place(tmp_path: Path, picture: npt.NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a.png in it; no server is known."""
    Image.fromarray(picture).save(tmp_path / "a.png")
    (tmp_path / "text.inr").write_text("no field")
    monkeypatch.chdir(tmp_path)
    for name in ("INR_TOKEN", "INR_CA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INR_SERVER", "127.0.0.1:1")
    return tmp_path


def error_of(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> tuple[str, str]:
    """Code and message of a command that fails and says nothing else."""
    assert main([*arguments, "--json"]) == code
    output, errors = capsys.readouterr()
    assert output == ""
    assert is_one_error(errors, as_json=True)
    found = json.loads(errors)
    assert found["error"].isprintable()
    return found["error_code"], found["error"]


@pytest.mark.parametrize(
    ("arguments", "code", "kind", "message"),
    [
        # of a server that is not there
        (("jobs", "--patience", "0"), 1, "unavailable", "the server cannot be reached: connection refused"),
        (("submit", "a.png", "--patience", "0"), 1, "unavailable", "the server cannot be reached"),
        (("watch", UNKNOWN, "--patience", "0"), 1, "unavailable", "the server cannot be reached"),
        (("cancel", UNKNOWN, "--patience", "0"), 1, "unavailable", "the server cannot be reached"),
        (("fetch", UNKNOWN, "x.inr", "--patience", "0"), 1, "unavailable", "the server cannot be reached"),
        (("jobs", "--server", "a b"), 2, "invalid_spec", "server: takes HOST or HOST:PORT"),
        (("jobs", "--ca", "nowhere.pem"), 1, "file_access", "ca: cannot read nowhere.pem"),
        (("submit", "nothing.png"), 1, "file_access", "cannot read nothing.png: no such file or directory"),
        (("submit", "a.png", "-"), 2, "invalid_spec", "--json and the output - both want standard output"),
        (("fetch", UNKNOWN, "-"), 2, "invalid_spec", "--json and the output - both want standard output"),
        # of usage
        (("jobs", "--limit", "0"), 2, "usage", "Invalid value for '--limit'"),
        (("job",), 2, "usage", "No such command 'job'"),
        (("watch",), 2, "usage", "Missing argument 'ID'"),
        (("jobs", "--sever", "x"), 2, "usage", "No such option: --sever"),
        (("serve",), 2, "usage", "No such option: --json"),
        # of what runs here
        (("compress", "nothing.png", "x.inr"), 1, "file_access", "cannot read nothing.png"),
        (("compress", "a.png", "x.inr", "--model", "nothing"), 2, "unknown_component", "unknown model 'nothing'"),
        (("compress", "a.png", "-"), 2, "invalid_spec", "--json and the output - both want standard output"),
        (("fit", "a.png", "--steps", "0"), 2, "invalid_spec", "steps"),
        (("info", "nothing.inr"), 1, "file_access", "cannot read nothing.inr"),
        (("info", "text.inr"), 1, "bad_magic", ""),
        (("decompress", "text.inr", "x.png"), 1, "bad_magic", ""),
        (("decompress", "text.inr", "x.png", "--size", "big"), 2, "invalid_spec", "--size takes WIDTHxHEIGHT"),
        (("compare", "a.png", "nothing.png"), 1, "file_access", "cannot read nothing.png"),
    ],
)
def test_errors_of_every_command(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, kind: str, message: str
) -> None:
    found = error_of(capsys, code, *arguments)
    assert found[0] == kind
    assert message in found[1]


def test_errors_of_a_server(
    place: Path, server: RunningServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INR_SERVER", server.address)
    assert error_of(capsys, 1, "cancel", UNKNOWN) == ("not_found", f"there is no job '{UNKNOWN}'")
    assert error_of(capsys, 2, "jobs", "--state", "asleep")[0] == "invalid_spec"
    kind, message = error_of(capsys, 2, "submit", "a.png", "--model", "nothing")
    assert kind == "unknown_component"
    assert message.startswith("unknown model 'nothing'; known: ")
    assert error_of(capsys, 1, "submit", "text.inr", "--wait", "--quiet")[0] == "bad_signal"
    kind, message = error_of(capsys, 1, "jobs", "--server", server.address, "--tls")
    assert kind == "handshake_failed"
    assert "speaks without TLS" in message


def test_progress_comes_before_the_error(place: Path, server: RunningServer) -> None:
    """It is text, and stays so: who wants the object takes the last line."""
    arguments = ("submit", "text.inr", "--wait", "--json", "--server", server.address)
    done = run(*arguments, cwd=place)
    assert (done.returncode, done.stdout) == (1, b"")
    *before, last = done.stderr.decode().splitlines()
    assert json.loads(last)["error_code"] == "bad_signal"
    assert before[-1].endswith(": failed")


def test_what_follows_two_dashes_is_no_option(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--", "--json"]) == 1
    assert capsys.readouterr().err == "inr: error: cannot read --json: no such file or directory\n"


def test_codes_are_those_of_the_library() -> None:
    assert {cls.code for cls in InrError.__subclasses__()}.isdisjoint({"usage", "interrupted", "out_of_memory"})
