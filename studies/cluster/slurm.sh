#!/bin/bash
# A study on SLURM: one head and any number of workers, requeued with --resume when the time is up or the job preempted.
#
#     OUT=$HOME/results sbatch --nodes=4 studies/cluster/slurm.sh --name faces --private DIR --public DIR
#
# What follows the script goes to `mi-tune pareto`. OUT and the images must be readable on the first node only; every
# node needs the same Python environment. Give resources by sbatch's own options, for example --gpus-per-node=4.
#SBATCH --job-name=mi-tune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# SIGTERM to this script two minutes before the time is up
#SBATCH --signal=B:TERM@120

set -u
OUT=${OUT:-$PWD/results}
PORT=${PORT:-$((20000 + SLURM_JOB_ID % 20000))}
NAME=orl
for ((k = 1; k < $#; k++)); do
    if [[ ${!k} == --name ]]; then
        next=$((k + 1))
        NAME=${!next}
    fi
done

# whoever reaches Ray's ports without the token could run code as you; it is new for every job
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export RAY_AUTH_TOKEN
export RAY_USAGE_STATS_ENABLED=0
# sockets need short paths, and jobs of one node must not meet
RAY_TMPDIR=$(mktemp -d "/tmp/ray-$SLURM_JOB_ID-XXXX")
export RAY_TMPDIR

head=$(hostname)
address=$(hostname --ip-address | awk '{print $1}')
resources=(--num-cpus="${SLURM_CPUS_PER_TASK:-1}")
if [[ -n ${SLURM_GPUS_ON_NODE:-} ]]; then
    resources+=(--num-gpus="$SLURM_GPUS_ON_NODE")
fi

nodes=()
finish() {
    # the steps of Ray, by their own numbers
    kill "${nodes[@]}" 2>/dev/null
    wait "${nodes[@]}" 2>/dev/null
    rm -rf "$RAY_TMPDIR"
}
trap finish EXIT

srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --block --node-ip-address="$address" --port="$PORT" --include-dashboard=false \
    --temp-dir="$RAY_TMPDIR" "${resources[@]}" &
nodes+=($!)
for ((k = 0; k < 60; k++)); do
    (exec 3<>"/dev/tcp/$address/$PORT") 2>/dev/null && break
    sleep 1
done
if ((SLURM_JOB_NUM_NODES > 1)); then
    srun --overlap --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" \
        ray start --block --address="$address:$PORT" "${resources[@]}" &
    nodes+=($!)
fi

resume=()
if [[ -e $OUT/$NAME/study.yaml ]]; then
    resume=(--resume)
fi
mi-tune pareto --address "$address:$PORT" --out "$OUT" "${resume[@]}" "$@" &
study=$!
# the study keeps what its trials have done, and ends by itself
trap 'kill -TERM "$study"' TERM
trap 'kill -INT "$study"' INT
while :; do
    wait "$study"
    status=$?
    kill -0 "$study" 2>/dev/null || break
done
if ((status == 143)); then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
