"""Measures `archgen check` and `archgen lsp` on generated specs, and peers on the same number of services.

Usage: measure.py ARCHGEN [--peers-max N]. Prints one Markdown table. Memory is the peak resident set of the process (wait4).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Ports are unique up to here: a spec of more services than there are ports is refused for its ports, and for nothing else.
PORTS = 60_000


def spec(count: int, chain: bool) -> str:
    """A spec of `count` services of one's own; each needs a store and, in a chain, the one before it."""
    lines = ["archgen: v1", "name: bench", "stores:", "  db:", "    kind: postgres", "    embedded: true", "    tables:"]
    lines += [f"      t{i}: {{ key: id uuid }}" for i in range(1 if chain else 100)]
    lines.append("services:")
    for i in range(count):
        needs = f"s{i - 1}" if chain and i else f"db.t{i % 100}"
        lines.append(f"  s{i}: {{ kind: process, port: {1024 + i % PORTS}, command: [./run, --id, \"{i}\"], needs: [{needs}] }}")
    return "\n".join(lines) + "\n"


def compose(count: int) -> str:
    lines = ['version: "3"', "services:"]
    for i in range(count):
        lines += [f"  s{i}:", "    image: busybox", f"    command: [./run, --id, \"{i}\"]", "    expose:", f'      - "{1024 + i % PORTS}"']
        lines += ["    depends_on: [db]"]
    return "\n".join(lines + ["  db:", "    image: postgres"]) + "\n"


def kubernetes(count: int) -> str:
    pod = "spec: {{ containers: [{{ name: app, image: busybox, command: [./run, --id, \"{i}\"], ports: [{{ containerPort: {port} }}] }}] }}"
    lines = []
    for i in range(count):
        lines += ["---", "apiVersion: apps/v1", "kind: Deployment", f"metadata: {{ name: s{i} }}", "spec:", "  replicas: 1"]
        lines += [f"  selector: {{ matchLabels: {{ app: s{i} }} }}", f"  template: {{ metadata: {{ labels: {{ app: s{i} }} }}, {pod.format(i=i, port=1024 + i % PORTS)} }}"]
    return "\n".join(lines) + "\n"


def kcl(count: int) -> str:
    head = "schema Service:\n    kind: str\n    port: int\n    command: [str]\n    needs: [str]\n    check:\n        1 <= port <= 65535\n\n"
    rows = (f's{i} = Service {{ kind = "process", port = {1024 + i % PORTS}, command = ["./run", "--id", "{i}"], needs = ["db"] }}' for i in range(count))
    return head + "\n".join(rows) + "\n"


def run(command: list[str], **options) -> tuple[float, float, int, str]:
    """Seconds, peak MB, exit status and standard error of one process."""
    with tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err, **options)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        return took, usage.ru_maxrss / 1024, process.returncode, err.read().decode(errors="replace")


def best(command: list[str], times: int, **options) -> tuple[float, float, int, str]:
    """The median run of several, by time."""
    runs = sorted((run(command, **options) for _ in range(times)), key=lambda r: r[0])
    return runs[len(runs) // 2]


def row(what: str, took: float, memory: float | None, bar: str, good: bool | None) -> None:
    verdict = "" if good is None else ("holds" if good else "**MISSED**")
    shown = f"{took * 1000:.1f} ms" if took < 1 else f"{took:.2f} s"
    print(f"| {what} | {shown} | {'' if memory is None else f'{memory:.0f} MB'} | {bar} | {verdict} |", flush=True)


class Editor:
    """The least of a language client."""

    def __init__(self, archgen: str):
        self.process = subprocess.Popen([archgen, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.send("initialize", {"processId": None, "rootUri": None, "capabilities": {}}, 1)
        self.until(lambda m: m.get("id") == 1)
        self.send("initialized", {})

    def send(self, method: str, params: dict, number: int | None = None) -> None:
        body = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})
        data = json.dumps(body).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self.process.stdin.flush()

    def until(self, holds) -> dict:
        while True:
            length = 0
            while (line := self.process.stdout.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            message = json.loads(self.process.stdout.read(length))
            if holds(message):
                return message


def keystrokes(archgen: str, folder: Path) -> None:
    """Types a key letter by letter into the middle of 1,000 services; times each change until its diagnostics arrive."""
    path = folder / "typed.yaml"
    text = spec(1_000, False)
    path.write_text(text)
    editor, uri = Editor(archgen), path.as_uri()
    judged = lambda version: lambda m: m.get("method") == "textDocument/publishDiagnostics" and m["params"].get("version") == version
    editor.send("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
    editor.until(judged(1))
    line = text[: text.index("  s500:")].count("\n")
    times, version = [], 1
    for _ in range(12):
        typed = "  extra: { kind: process, port: 900, command: [./x] }\n"
        for column, letter in enumerate(typed):
            at = {"line": line, "character": column}
            version += 1
            began = time.perf_counter()
            change = {"range": {"start": at, "end": at}, "text": letter}
            editor.send("textDocument/didChange", {"textDocument": {"uri": uri, "version": version}, "contentChanges": [change]})
            editor.until(judged(version))
            times.append(time.perf_counter() - began)
        version += 1
        change = {"range": {"start": {"line": line, "character": 0}, "end": {"line": line + 1, "character": 0}}, "text": ""}
        editor.send("textDocument/didChange", {"textDocument": {"uri": uri, "version": version}, "contentChanges": [change]})
        editor.until(judged(version))
    times.sort()
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))]
    peak = int(next(l for l in Path(f"/proc/{editor.process.pid}/status").read_text().splitlines() if l.startswith("VmHWM")).split()[1]) / 1024
    row(f"keystroke to diagnostics, 1,000 services, p50 of {len(times)}", at(0.5), None, "", None)
    row("keystroke to diagnostics, 1,000 services, p99", at(0.99), peak, "< 50 ms", at(0.99) < 0.05)
    editor.send("shutdown", {}, 2)
    editor.until(lambda m: m.get("id") == 2)
    editor.send("exit", {})
    editor.process.wait()


def ours(archgen: str, folder: Path) -> None:
    took, memory, status, _ = best([archgen, "check", str(ROOT / "examples/slack/topology.yaml")], 21)
    assert status == 0
    row("check, reference spec", took, memory, "< 10 ms", took < 0.010)
    seconds = {}
    bars = {10_000: (0.25, 300), 100_000: (3.0, None)}
    for count in (1_000, 6_000, 10_000, 60_000, 100_000):
        bar, megabytes = bars.get(count, (None, None))
        path = folder / f"{count}.yaml"
        path.write_text(spec(count, False))
        took, memory, status, text = best([archgen, "check", str(path)], 5 if count < 60_000 else 3)
        assert status == (0 if count <= PORTS else 1), text[-400:]
        seconds[count] = took
        held = [f"< {bar:g} s"] if bar else []
        held += [f"< {megabytes} MB"] if megabytes else []
        good = None if not held else took < bar and (megabytes is None or memory < megabytes)
        row(f"check, {count:,} services ({path.stat().st_size / 1e6:.1f} MB)", took, memory, ", ".join(held), good)
    # Of 100,000 services 40,000 are refused for their ports, and say so: like is compared with like.
    for small, large in ((1_000, 10_000), (6_000, 60_000)):
        ratio = seconds[large] / seconds[small]
        print(f"| {large:,} to {small:,} services | × {ratio:.1f} | | ≤ 12 | {'holds' if ratio <= 12 else '**MISSED**'} |")
    path = folder / "chain.yaml"
    path.write_text(spec(100_000, True))
    took, memory, status, text = run([archgen, "check", str(path)])
    row("check, a chain of 100,000 `needs`", took, memory, "no crash", status == 1 and "AG040" in text)


def peers(folder: Path, most: int) -> None:
    if shutil.which("docker-compose"):
        for count in (n for n in (100, 1_000, 5_000) if n <= most):
            path = folder / f"compose-{count}.yaml"
            path.write_text(compose(count))
            took, memory, status, text = run(["docker-compose", "-f", str(path), "config", "-q"], cwd=folder)
            row(f"docker-compose config -q, {count:,} services" + ("" if status == 0 else f" (status {status})"), took, memory, "", None)
    validate = Path(sys.executable).with_name("kubernetes-validate")
    if validate.exists():
        for count in (n for n in (100, 1_000) if n <= most):
            path = folder / f"kubernetes-{count}.yaml"
            path.write_text(kubernetes(count))
            took, memory, status, _ = run([str(validate), "-k", "1.37", "--strict", str(path)])
            row(f"kubernetes-validate, {count:,} deployments" + ("" if status == 0 else f" (status {status})"), took, memory, "", None)
    scripts = {
        "KCL": ("kcl", kcl, "import kcl_lib.api as api, sys; api.API().exec_program(api.ExecProgramArgs(k_filename_list=[sys.argv[1]]))"),
        "PyYAML safe_load alone": ("yaml", lambda n: spec(n, False), "import yaml, sys; yaml.safe_load(open(sys.argv[1]))"),
    }
    for name, (ending, make, script) in scripts.items():
        for count in (1_000, 10_000):
            path = folder / f"peer-{count}.{ending}"
            path.write_text(make(count))
            took, memory, status, text = run([sys.executable, "-c", script, str(path)])
            if status != 0:
                print(f"| {name}, {count:,} services | failed: {text.strip().splitlines()[-1] if text.strip() else status} | | | |")
                break
            row(f"{name}, {count:,} services", took, memory, "", None)


def main() -> None:
    archgen, *rest = sys.argv[1:]
    most = int(rest[rest.index("--peers-max") + 1]) if "--peers-max" in rest else 1_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("| what | time | peak memory | bar | |\n|---|---|---|---|---|")
        ours(archgen, folder)
        keystrokes(archgen, folder)
        peers(folder, most)


main()
