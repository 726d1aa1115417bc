"""Measures `archgen generate` and `archgen plan` on generated specs, and peers on the same number of services.

Usage: measure.py FOLDER-OF-PROGRAMS FOLDER-OF-PEERS [--peers-max N] [--no-peers]. Prints one Markdown table and ends with 1 where a bar
is missed. Memory is the peak resident set of the process (wait4).
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
missed = 0


def spec(count: int, replicas_of_last: int = 1) -> str:
    """A spec of `count` services of one's own, each of which needs a store and, every third, another service."""
    lines = ["archgen: v1", "name: bench", "zones: [a, b, c]", "stores:", "  db:", "    kind: postgres", "    version: \"15\"", "    tables:"]
    lines += [f"      t{i}: {{ key: id uuid }}" for i in range(100)]
    lines.append("services:")
    for i in range(count):
        needs = [f"db.t{i % 100}"] + ([f"s{i - 1}"] if i % 3 == 2 else [])
        replicas = f", replicas: {replicas_of_last}" if i == count - 1 and replicas_of_last > 1 else ""
        lines.append(f"  s{i}: {{ kind: process, port: {1024 + i}, command: [./run, --id, \"{i}\"], needs: [{', '.join(needs)}]{replicas} }}")
    return "\n".join(lines) + "\n"


def compose(count: int) -> str:
    lines = ['version: "3"', "services:"]
    for i in range(count):
        lines += [f"  s{i}:", "    image: busybox", f"    command: [./run, --id, \"{i}\"]", "    expose:", f'      - "{1024 + i}"', "    depends_on: [db]"]
    return "\n".join(lines + ["  db:", "    image: postgres"]) + "\n"


def manifest(i: int) -> str:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{ name: s{i}, labels: {{ app: s{i} }} }}
spec:
  replicas: 1
  selector: {{ matchLabels: {{ app: s{i} }} }}
  template:
    metadata: {{ labels: {{ app: s{i} }} }}
    spec: {{ containers: [{{ name: main, image: busybox, args: [./run, --id, "{i}"], ports: [{{ containerPort: {1024 + i} }}] }}] }}
---
apiVersion: v1
kind: Service
metadata: {{ name: s{i} }}
spec: {{ selector: {{ app: s{i} }}, ports: [{{ port: {1024 + i} }}] }}
"""


def kcl(count: int) -> str:
    head = "schema Service:\n    kind: str\n    port: int\n    command: [str]\n    needs: [str]\n    check:\n        1 <= port <= 65535\n\n"
    rows = (f's{i} = Service {{ kind = "process", port = {1024 + i}, command = ["./run", "--id", "{i}"], needs = ["db"] }}' for i in range(count))
    return head + "\n".join(rows) + "\n"


def run(command: list, **options) -> tuple[float, float, int, str]:
    """Seconds, peak MB, exit status and standard error of one process."""
    with tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=err, **options)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        return took, usage.ru_maxrss / 1024, process.returncode, err.read().decode(errors="replace")


def median(times: int, command: list, before=lambda: None) -> tuple[float, float]:
    runs = []
    for _ in range(times):
        before()
        took, memory, status, text = run(command)
        assert status in (0, 2), text[-400:]
        runs.append((took, memory))
    return sorted(runs)[len(runs) // 2]


def row(what: str, took: float | str, memory: float | None, bar: str = "", good: bool | None = None) -> None:
    """One line of the table; what is no time is a text of its own."""
    global missed
    missed += good is False
    verdict = "" if good is None else ("holds" if good else "**MISSED**")
    shown = took if isinstance(took, str) else f"{took * 1000:.1f} ms" if took < 1 else f"{took:.2f} s"
    print(f"| {what} | {shown} | {'' if memory is None else f'{memory:.0f} MB'} | {bar} | {verdict} |", flush=True)


def ours(programs: Path, folder: Path) -> None:
    archgen = programs / "archgen"
    out = folder / "out"
    old = itertools.count()

    def fresh() -> None:
        """Puts the folder aside and deletes nothing: ext4 looks at each inode that was freed in the last seconds before it gives one out,
        which made the same run two to five times as long."""
        if out.exists():
            out.rename(folder / f"old-{next(old)}")

    made = lambda path: [archgen, "generate", path, "--out", out]
    reference = ROOT / "examples/slack/topology.yaml"
    took, memory = median(11, made(reference), fresh)
    row("generate, reference spec, all targets", took, memory, "< 50 ms", took < 0.05)
    cold = {}
    bars = {10_000: (1.0, 0.3, None), 60_000: (6.0 * 0.6, None, 1_500 * 0.6)}
    for count in (1_000, 10_000, 60_000):
        fresh()
        path = folder / f"{count}.yaml"
        path.write_text(spec(count))
        bar, again, megabytes = bars.get(count, (None, None, None))
        times = 5 if count < 60_000 else 1
        took, memory = median(times, made(path), fresh)
        cold[count] = took
        held = ([f"< {bar:g} s"] if bar else []) + ([f"< {megabytes:.0f} MB"] if megabytes else [])
        good = None if not held else took < bar and (megabytes is None or memory < megabytes)
        row(f"generate, {count:,} services, cold", took, memory, ", ".join(held), good)
        took, memory = median(times, made(path))
        row(f"generate, {count:,} services, unchanged", took, memory, f"< {again * 1000:.0f} ms" if again else "", None if again is None else took < again)
        if count == 10_000:
            took, memory = median(5, [archgen, "check", path])
            row("of which `archgen check`", took, memory)
            other = folder / "other.yaml"
            other.write_text(spec(count, 2))
            took, memory = median(5, [archgen, "plan", other, "--against", out])
            row("plan, 10,000 services against 10,000: whole command", took, memory)
            done = subprocess.run([programs / "examples" / "difference", path, other], capture_output=True, text=True, check=True)
            took = float(done.stdout.split()[0]) / 1000
            row("plan, 10,000 services against 10,000: the comparison", took, None, "< 200 ms", took < 0.2)
    ratio = cold[60_000] / cold[10_000]
    row("60,000 to 10,000 services, of time", f"× {ratio:.1f}", None, "≤ × 7.2", ratio <= 7.2)


def peers(tools: Path, folder: Path, most: int) -> None:
    counts = [n for n in (100, 1_000, 10_000) if n <= most]
    for count in counts:
        if shutil.which("docker-compose"):
            path = folder / f"compose-{count}.yaml"
            path.write_text(compose(count))
            took, memory, status, _ = run(["docker-compose", "-f", path, "config", "-q"], cwd=folder)
            row(f"docker-compose config -q, {count:,} services" + (f" (status {status})" if status else ""), took, memory)
        if (tools / "bin/kustomize").exists():
            base = folder / f"kustomize-{count}"
            base.mkdir()
            names = [f"s{i}.yaml" for i in range(count)]
            for i, name in enumerate(names):
                (base / name).write_text(manifest(i))
            (base / "kustomization.yaml").write_text(json.dumps({"resources": names, "namePrefix": "x-"}))
            took, memory, status, _ = run([tools / "bin/kustomize", "build", base])
            row(f"kustomize build, {count:,} services" + (f" (status {status})" if status else ""), took, memory)
        if (tools / "bin/helm").exists():
            chart = folder / f"helm-{count}"
            (chart / "templates").mkdir(parents=True)
            (chart / "Chart.yaml").write_text("apiVersion: v2\nname: bench\nversion: 0.1.0\n")
            (chart / "values.yaml").write_text(json.dumps({"count": count}))
            body = manifest(0).replace("s0", "s{{ $i }}").replace('"0"', '"{{ $i }}"').replace("1024", "{{ add 1024 $i }}")
            (chart / "templates" / "all.yaml").write_text("{{- range $i := until (int .Values.count) }}\n---\n" + body + "{{- end }}\n")
            took, memory, status, _ = run([tools / "bin/helm", "template", chart])
            row(f"helm template, {count:,} services" + (f" (status {status})" if status else ""), took, memory)
        python = tools / "python/bin/python"
        if python.exists():
            path = folder / f"peer-{count}.k"
            path.write_text(kcl(count))
            script = "import kcl_lib.api as api, sys; api.API().exec_program(api.ExecProgramArgs(k_filename_list=[sys.argv[1]]))"
            took, memory, status, _ = run([python, "-c", script, path])
            row(f"KCL, {count:,} services" + (f" (status {status})" if status else ""), took, memory)


def main() -> int:
    programs, tools, *rest = sys.argv[1:]
    most = int(rest[rest.index("--peers-max") + 1]) if "--peers-max" in rest else 1_000
    with tempfile.TemporaryDirectory() as name:
        print("| what | time | peak memory | bar | |\n|---|---|---|---|---|")
        ours(Path(programs), Path(name))
        if "--no-peers" not in rest:
            peers(Path(tools), Path(name), most)
    return 1 if missed else 0


sys.exit(main())
