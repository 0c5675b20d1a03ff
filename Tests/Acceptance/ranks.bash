# shellcheck shell=bash
# For the scripts that stop, kill and restart runs; sourced after common.bash.
# Defines: small_run, start_ranks, rank_pid, wait_gone, finished_hash, step_now, resumed_from, build_shim (sets shim).

mpi=(--oversubscribe --bind-to none --mca pml ob1 --mca btl "vader,self" --mca mpi_yield_when_idle 1)
if [[ $(id -u) -eq 0 ]]; then mpi+=(--allow-run-as-root); fi
shim=$work/fault_shim.so

# The command line of a small run on $work/small.h5 in the folder $1, 8 shards of 12; further arguments follow.
small_run() {
    local run=$1
    shift
    arguments=(
        train --config "$root/configs/synthetic.yaml" --data "$work/small.h5" --run-dir "$run" --threads 1
        --set batch_size=96 --set shards=8 --set "log.every=1 step" "$@"
    )
}

# start_ranks RANKS: starts "${arguments[@]}" in the background; sets job, the process to signal. Output in $work/out.
start_ranks() {
    if (($1 == 1)); then
        "$swift_train" "${arguments[@]}" >"$work/out" 2>&1 </dev/null &
    else
        mpirun "${mpi[@]}" -np "$1" "$swift_train" "${arguments[@]}" >"$work/out" 2>&1 </dev/null &
    fi
    job=$!
}

# rank_pid RANK: the process of a rank of the mpirun $job; waits until it exists.
rank_pid() {
    local rank=$1 pid
    for _ in {1..200}; do
        for pid in $(pgrep -P "$job" || true); do
            if tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$rank" &&
                [[ $(readlink "/proc/$pid/exe") == "$(readlink -f "$swift_train")" ]]; then
                echo "$pid"
                return
            fi
        done
        sleep 0.05
    done
    fail "rank $rank of process $job did not appear: $(tail -n 3 "$work/out")"
}

# wait_gone SECONDS PID…: whether all these processes end within that time (a zombie has ended).
wait_gone() {
    local end=$((SECONDS + $1)) pid state
    shift
    for pid in "$@"; do
        while state=$(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2>/dev/null) && [[ -n $state && $state != Z ]]; do
            ((SECONDS < end)) || return 1
            sleep 0.05
        done
    done
}

# The hash in the last line of metrics.jsonl of the run folder $1.
finished_hash() { tail -n 1 "$1/metrics.jsonl" | json weights_sha256; }

# The last step that the run folder $1 has logged, 0 when none.
step_now() {
    local line
    line=$(grep -s '"event":"step"' "$1/metrics.jsonl" | tail -n 1) || true
    if [[ -n $line ]]; then json step <<<"$line"; else echo 0; fi
}

# The step that the last resume in the log of run folder $1 started from; 0 when it started anew.
resumed_from() {
    local step
    step=$(sed -nE 's/.*(resuming from .* after step|has all) ([0-9]+).*/\2/p' "$1/train.log" | tail -n 1)
    echo "${step:-0}"
}

build_shim() {
    local compiler
    compiler=$(command -v clang || command -v cc) || fail "no C compiler on PATH"
    "$compiler" -O2 -Wall -Werror -shared -fPIC -o "$shim" "$root/Tests/Acceptance/fault_shim.c" -ldl
}
