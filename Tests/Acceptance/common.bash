# shellcheck shell=bash
# What every acceptance script needs; sourced, not run.
# Sets: root, swift_train, data, python, work (removed at exit). Defines: fail, need_data, need_python, json, launch, last_checkpoint.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
swift_train=$root/.build/release/swift-train
data=${SWIFT_TRAIN_DATA:-$root/../shared/data}
python=${SWIFT_TRAIN_VENV:-$HOME/.cache/swift-train/venv}/bin/python
# OpenBLAS obeys these when it is loaded; users' machines do not set them.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

[[ -x $swift_train ]] || fail "$swift_train is missing. Run swift build -c release."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need_data() { [[ -d $data/$1 ]] || fail "$data/$1 is missing. Set SWIFT_TRAIN_DATA to the folder that holds $1."; }
need_python() { [[ -x $python ]] || fail "$python is missing. Run Benchmarks/environment."; }

# json KEY: the value of a key of the last JSON object on stdin that has it.
json() {
    python3 -c '
import json, sys
key, text, decoder, found = sys.argv[1], sys.stdin.read(), json.JSONDecoder(), None
position = text.find("{")
while position >= 0:
    try:
        value, end = decoder.raw_decode(text, position)
        found = value.get(key, found)
    except json.JSONDecodeError:
        end = position + 1
    position = text.find("{", end)
if found is None:
    sys.exit(f"no key {key} in: {text[:200]!r}")
print(found)' "$1"
}

# launch RANKS THREADS ARGUMENT…: swift-train on that many ranks; one rank runs alone, without mpirun.
launch() {
    local ranks=$1 threads=$2
    shift 2
    if ((ranks == 1)); then
        "$swift_train" "$@" --threads "$threads"
    else
        "$root/launch/local" -n "$ranks" --threads "$threads" -- "$@"
    fi
}

last_checkpoint() { readlink -f "$1/checkpoints/last"; }

# quietly LOG COMMAND…: shows the log only if the command fails.
quietly() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 || {
        local code=$?
        tail -n 20 "$log" >&2
        fail "exit $code from: $*"
    }
}
