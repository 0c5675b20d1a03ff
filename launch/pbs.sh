#!/usr/bin/env bash
# Trains under PBS or Torque; a job that is stopped saves and ends with 75, and the same submission continues.
# Usage: qsub launch/pbs.sh                                  the built-in example
#        qsub -v ARGUMENTS="--config FILE",RUN_DIR=runs/name launch/pbs.sh
#   ARGUMENTS     of swift-train train, separated by blanks
#   RUN_DIR       the run folder (default runs/<job number>); name the same one to continue in a new job
#   THREADS       of each rank (default 1); select ncpus as mpiprocs × THREADS
#   SWIFT_TRAIN   the program (default: .build/release/swift-train of the folder of submission, else the one on PATH)
# Not run: written after the manuals of PBS and Open MPI, checked with shellcheck only.
# Debian's Open MPI is built without PBS's own start-up (tm): hosts come from $PBS_NODEFILE and are reached by ssh.
#PBS -N swift-train
#PBS -l select=1:ncpus=2:mpiprocs=2
#PBS -l walltime=01:00:00
#PBS -r y
#PBS -j oe
set -euo pipefail

say() { echo "launch/pbs.sh: $*" >&2; }
[ -n "${PBS_NODEFILE:-}" ] || {
    say "not inside a PBS job; submit it: qsub launch/pbs.sh"
    exit 64
}
cd "${PBS_O_WORKDIR:?}"

program=${SWIFT_TRAIN:-$PBS_O_WORKDIR/.build/release/swift-train}
[ -x "$program" ] || program=$(command -v swift-train) || {
    say "$program is missing and swift-train is not on PATH; run swift build -c release, or set SWIFT_TRAIN"
    exit 66
}

# OpenBLAS reads them when it is loaded; they would choose kernels meant for another machine.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE

# One line for each rank.
ranks=$(wc -l <"$PBS_NODEFILE")
threads=${THREADS:-1}
read -ra arguments <<<"${ARGUMENTS:-}"
command -v mpirun >/dev/null || {
    say "mpirun is not on PATH of $(hostname); load its module, or install it (launch/packages)"
    exit 66
}
# A broken connection between hosts ends the job in seconds instead of minutes.
mpirun -hostfile "$PBS_NODEFILE" -np "$ranks" --map-by "slot:PE=$threads" --bind-to core \
    --mca oob_tcp_keepalive_time 3 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3 \
    "$program" train "${arguments[@]}" --run-dir "${RUN_DIR:-runs/${PBS_JOBID%%.*}}" --threads "$threads" </dev/null &
job=$!
interrupted=0 repeater=""
# Whether a process catches SIGUSR1 or lets it wait; before, it would be deadly.
# shellcheck disable=SC2317 # reached through trap
listens() {
    local masks
    masks=$(sed -n 's/^Sig\(Blk\|Cgt\):[[:space:]]*/16#/p' "/proc/$1/status" 2>/dev/null | paste -sd '|')
    [ -n "$masks" ] && (((masks) >> 9 & 1))
}
# shellcheck disable=SC2317 # reached through trap
onSignal() {
    interrupted=1
    [ -z "$repeater" ] || return 0
    say "stopping at the next step"
    # Again every few seconds: a launcher that is just starting the ranks loses the first one.
    {
        until listens "$job"; do
            kill -0 "$job" || exit 0
            sleep 0.1
        done
        while kill -USR1 "$job"; do sleep 3; done
    } </dev/null >/dev/null 2>&1 &
    repeater=$!
}
# PBS sends TERM some seconds before KILL at the limit and at qdel; qsig -s USR1 JOB stops at any time.
trap onSignal TERM USR1

# wait returns early when a signal arrives; what counts is mpirun's own code.
while :; do
    interrupted=0 code=0
    wait "$job" || code=$?
    [ "$interrupted" -eq 1 ] || break
done
[ -z "$repeater" ] || kill "$repeater" 2>/dev/null || true
if [ "$code" -eq 75 ]; then
    say "stopped and saved; queued again"
    qrerun "$PBS_JOBID" || say "submit again with RUN_DIR=${RUN_DIR:-runs/${PBS_JOBID%%.*}} to continue"
fi
exit "$code"
