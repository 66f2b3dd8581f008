"""The server's tools run commands; no argument of theirs becomes an option."""

import asyncio
import json
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.cli import mcp as tools


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The words of each command that was run, which prints an empty object."""
    commands: list[list[str]] = []

    def run(command: list[str], **about: Any) -> Any:
        assert about["stdin"] == subprocess.DEVNULL
        commands.append(command[4:])
        return SimpleNamespace(returncode=1, stdout='{"schema": 1}\n', stderr="mlpperf: slow\n")

    monkeypatch.setattr(tools.subprocess, "run", run)
    return commands


def test_tools_run_commands(ran: list[list[str]]) -> None:
    answer = {"exit_code": 1, "output": {"schema": 1}, "message": "mlpperf: slow"}
    assert tools.compare("main", series="*parse*", budget=60) == answer
    tools.compare("v1", "v2")
    tools.explain()
    tools.why("parse")
    tools.history()
    tools.bisect("v1", "parse")
    assert ran == [
        ["compare", "--series=*parse*", "--budget=60", "--format=json", "main"],
        ["compare", "--format=json", "v1", "v2"],
        ["explain", "--format=json"],
        ["why", "--format=json", "parse"],
        ["history", "--format=json"],
        ["bisect", "--good=v1", "--bad=HEAD", "parse"],
    ]


@pytest.mark.parametrize("value", ["--records=/", "-v", "a\nb", "a\0b"])
def test_no_argument_is_an_option(ran: list[list[str]], value: str) -> None:
    calls = (
        lambda: tools.compare(value),
        lambda: tools.compare("main", value),
        lambda: tools.compare("main", series=value),
        lambda: tools.why(value),
        lambda: tools.history(value),
        lambda: tools.bisect(value),
        lambda: tools.bisect("v1", value),
        lambda: tools.bisect("v1", bad=value),
    )
    for call in calls:
        answer = call()
        assert answer["exit_code"] == 2
        assert "takes a name or a pattern, not" in answer["message"]
    assert ran == []


def test_the_commands_understand_what_they_are_given(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    project.write("json.py", "raise SystemExit(0)\n")  # no module of the project is imported
    answer = tools.compare("nowhere", "nor here", "x", 1)
    assert answer["exit_code"] == 2
    assert "There is no commit 'nowhere' here" in answer["message"]
    assert "cannot be run: Argument list too long" in tools.compare("x" * 4_000_000)["message"]


def test_a_client_calls_the_tools(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = pytest.importorskip("mcp", reason="mcp is not installed")
    monkeypatch.chdir(project.folder)

    async def session() -> None:
        async with sdk.Client(tools.server()) as client:
            listed = await client.list_tools()
            names = {tool.name for tool in listed.tools}
            assert names == {"compare", "explain", "why", "history", "bisect"}
            assert all(tool.description for tool in listed.tools)
            answer = await client.call_tool("explain", {})
            content = answer.structured_content
            assert content["exit_code"] == 2
            assert "run `mlpperf compare BASE`" in content["message"]
            refused = await client.call_tool("compare", {"base": "--records=/"})
            assert "takes a name or a pattern" in refused.structured_content["message"]

    asyncio.run(session())


def test_the_command_speaks_over_standard_input(project: Any) -> None:
    pytest.importorskip("mcp", reason="mcp is not installed")
    about = {"protocolVersion": "2025-06-18", "capabilities": {}}
    about["clientInfo"] = {"name": "test", "version": "1"}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlpperf", "mcp"],
        cwd=project.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin
    assert server.stdout
    with server:
        server.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline()) for _ in range(2)]
        server.stdin.close()
    assert answers[0]["result"]["serverInfo"]["name"] == "mlpperf"
    assert len(answers[1]["result"]["tools"]) == 5


@pytest.mark.skipif(
    "mcp" not in str(metadata.requires("mlpperf")), reason="mlpperf was installed before this extra"
)
def test_without_its_package_the_command_names_the_extra(project: Any) -> None:
    code = "import sys; sys.modules['mcp'] = None; from mlpperf.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "mcp"], cwd=project.folder, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "mlpperf[mcp]" in done.stderr
