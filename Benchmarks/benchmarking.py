"""What the scripts of this folder share: running one measurement, the machine's name, the table."""

import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# OpenBLAS obeys these when it is loaded; users' machines do not set them.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def clean_environment():
    return {key: value for key, value in os.environ.items() if key not in UNSET}


def fail(message):
    print(f"{pathlib.Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(70)


def run_json(command, variables=None):
    """Runs a command and returns the JSON objects it printed; other lines (a launcher's) are ignored."""
    try:
        done = subprocess.run(
            [str(word) for word in command], env=clean_environment() | (variables or {}), capture_output=True, text=True, check=False)
    except OSError as error:
        fail(f"cannot run {command[0]}: {error.strerror}")
    shown = " ".join(str(word) for word in command)
    if done.returncode != 0:
        message = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        fail(f"exit {done.returncode} from: {shown}\n  " + "\n  ".join(message[:5]))
    objects = []
    decoder = json.JSONDecoder()
    text = done.stdout
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
            objects.append(value)
        except json.JSONDecodeError:
            end = position + 1
        position = text.find("{", end)
    if not objects:
        fail(f"no JSON from: {shown}")
    return objects


def swift_train_binary():
    binary = pathlib.Path(os.environ.get("SWIFT_TRAIN", ROOT / ".build/release/swift-train"))
    if not binary.exists():
        fail(f"{binary.name} is not built. Run swift build -c release, or set SWIFT_TRAIN to the binary.")
    done = subprocess.run([binary, "bench", "--help"], env=clean_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0 or "--batch" not in done.stdout:
        fail(f"{binary.name} has no command bench. Build a version that has it.")
    return binary


def pytorch_python():
    python = pathlib.Path(os.environ.get("SWIFT_TRAIN_VENV", pathlib.Path.home() / ".cache/swift-train/venv")) / "bin/python"
    if not python.exists():
        fail("PyTorch's environment is missing. Run Benchmarks/environment.")
    return python


def bench_command(binary, model, batch, seconds, shards=None, threads=1, inference=False):
    command = [binary, "bench", model, "--batch", batch, "--threads", threads, "--seconds", seconds, "--json"]
    return command + (["--shards", shards] if shards else []) + (["--inference"] if inference else [])


def machine(isa=None):
    name = platform.processor() or platform.machine()
    try:
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    result = {"cpu": name, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"}
    if isa:
        result["isa"] = isa
    return result


def commit():
    done = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def date():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")


def default_core():
    return min(os.sched_getaffinity(0))


def median(values):
    return statistics.median(values)


# The small networks: model, batch, median ratio to PyTorch that a training step has to reach, share of its memory.
SMALL_NETWORKS = [
    ("fashion-classifier", 32, 5.0, None), ("fashion-classifier", 256, 4.5, None), ("mnist-classifier", 64, 4.5, None),
    ("mnist-classifier", 256, 4.5, None), ("strided-cnn", 256, 4.0, None), ("lenet5", 64, 5.0, None)]

# The large networks, 224 x 224 but for CIFAR's: model, batch, median ratio, and the share of PyTorch's peak memory at most.
LARGE_NETWORKS = [
    ("resnet18", 16, 1.05, 0.4), ("resnet50", 16, 1.25, 0.5), ("vgg11-bn", 8, 1.15, 0.67), ("alexnet", 32, 1.2, 0.6),
    ("cifar-resnet20", 128, 2.0, None)]


def write_result(path, result):
    with open(path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    print(f"wrote {path}")
