#!/bin/sh
# Measures which system calls a container runtime makes between loading its seccomp filter and
# executing the container's program, and prints them as rows of data/runtimes.tsv.
#
#   profiles/measure-runtime.sh RUNTIME [TIMES]      RUNTIME: runc, crun or a path; TIMES: default 3
#
# Needs root, strace, awk and a C compiler that links statically. With and without no-new-privileges
# it starts a container as root, as another user with a supplementary group and a working directory,
# by create, a pause and start (as containerd does), by exec into a running one, and, where
# script(1) is installed, on a terminal; what any of them does counts. The filter allows everything, so a call that the runtime would do without is
# listed too. Of calls whose power lies in an argument, the values seen follow as comments.
set -eu

[ $# -ge 1 ] || { sed -n 's/^#   //p' "$0"; exit 2; }
runtime=$(command -v "$1") || { echo "$0: $1: no such program" >&2; exit 2; }
times=${2:-3}
name=$(basename "$runtime")

# crun needs cgroup v2; where the machine has v1 only, a private mount of v2 serves.
if [ "$name" = crun ] && [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ] && [ -z "${MEASURE_MOUNTS-}" ]; then
    MEASURE_MOUNTS=private exec unshare -m sh -c \
        'mount --make-rprivate / && mount -t cgroup2 none /sys/fs/cgroup && exec sh "$0" "$@"' "$0" "$runtime" "$times"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/measure-runtime.XXXXXX")
container=none
cleanup() {
    "$runtime" --root "$work/state" delete --force "$container" >"$work/delete.log" 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

mkdir -p "$work/bundle/rootfs/proc" "$work/bundle/rootfs/dev" "$work/bundle/rootfs/sys" "$work/bundle/rootfs/home"
cat >"$work/program.c" <<'C'
#include <unistd.h>
int main(int argc, char **argv) {
    (void)argv;
    while (argc > 1)
        pause();
    return 0;
}
C
${CC:-cc} -static -O1 -o "$work/bundle/rootfs/program" "$work/program.c"

case $(uname -m) in
    x86_64) arch=SCMP_ARCH_X86_64 ;;
    aarch64) arch=SCMP_ARCH_AARCH64 ;;
    riscv64) arch=SCMP_ARCH_RISCV64 ;;
    *) echo "$0: add the name that libseccomp has for $(uname -m)" >&2; exit 2 ;;
esac

# config NO_NEW_PRIVILEGES USER CWD ARGS [TERMINAL]
config() {
    cat >"$work/bundle/config.json" <<JSON
{ "ociVersion": "1.0.2", "hostname": "measured",
  "process": { "terminal": ${5-false}, "user": $2, "args": $4, "env": ["PATH=/"], "cwd": "$3",
    "noNewPrivileges": $1,
    "capabilities": { "bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"] } },
  "root": { "path": "rootfs" },
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" },
              { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" },
              { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["newinstance", "ptmxmode=0666", "mode=0620"] } ],
  "linux": { "namespaces": [ {"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"} ],
    "seccomp": { "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["$arch"],
      "syscalls": [ { "names": ["acct"], "action": "SCMP_ACT_ERRNO" } ] } } }
JSON
}

number=0
# traced LOG ARGS...: the runtime under strace
traced() {
    log=$1
    shift
    strace -f -s 0 -o "$log" "$runtime" --root "$work/state" "$@" </dev/null >"$work/out" 2>&1 ||
        { echo "$0: $name $* failed:" >&2; cat "$work/out" >&2; exit 1; }
}
# on_terminal LOG ARGS...: the same, with a pseudoterminal as its standard streams
on_terminal() {
    log=$1
    shift
    script -qec "strace -f -s 0 -o '$log' '$runtime' --root '$work/state' $*" /dev/null </dev/null >"$work/out" 2>&1 ||
        { echo "$0: $name $* failed:" >&2; cat "$work/out" >&2; exit 1; }
}
fresh() {
    number=$((number + 1))
    container="measure-$$-$number"
    log="$work/log.$nnp.$number"
}

root='{"uid": 0, "gid": 0}'
user='{"uid": 1000, "gid": 1000, "additionalGids": [7]}'
for nnp in true false; do
    repeat=0
    while [ "$repeat" -lt "$times" ]; do
        repeat=$((repeat + 1))
        config $nnp "$root" / '["/program"]'
        fresh; traced "$log" run --bundle "$work/bundle" "$container"
        config $nnp "$user" /home '["/program"]'
        fresh; traced "$log" run --bundle "$work/bundle" "$container"

        fresh
        strace -f -s 0 -o "$log" "$runtime" --root "$work/state" create --bundle "$work/bundle" "$container" \
            </dev/null >"$work/out" 2>&1 &
        strace=$!
        sleep 3
        "$runtime" --root "$work/state" start "$container"
        wait $strace
        "$runtime" --root "$work/state" delete --force "$container"

        config $nnp "$user" /home '["/program", "stay"]'
        fresh
        "$runtime" --root "$work/state" run --detach --bundle "$work/bundle" "$container" </dev/null >"$work/out" 2>&1
        traced "$log" exec "$container" /program
        if command -v script >/dev/null; then
            on_terminal "$log.terminal" exec --tty "$container" /program
            "$runtime" --root "$work/state" delete --force "$container"
            config $nnp "$root" / '["/program"]' true
            fresh; on_terminal "$log" run --bundle "$work/bundle" "$container"
        else
            "$runtime" --root "$work/state" delete --force "$container"
        fi
    done
done

for nnp in true false; do
    # Calls of the threads that are under the filter: the one that loads it and those it makes, or
    # with TSYNC all of the process; from then to the execve of the program.
    awk '
    function group(tid) { return tid in leader ? leader[tid] : tid }
    function filtered(tid) { return tid in loaded || group(tid) in synced }
    FNR == 1 { delete leader; delete loaded; delete synced; delete pending; delete cloning }
    {
        tid = $1
        text = substr($0, length(tid) + 1); sub(/^ +/, "", text)
        if (text ~ /^(\+\+\+|---|\?\?\?)/) next
        resumed = text ~ /^<\.\.\. /
        call = text
        if (resumed) { sub(/^<\.\.\. /, "", call); sub(/ .*/, "", call) } else sub(/\(.*/, "", call)
        if (!resumed && filtered(tid)) {
            seen[call] = 1
            value = text; sub(/ (<unfinished|= [-0-9]).*/, "", value); sub(/\) *$/, "", value)
            if (call ~ /^(prctl|socket|personality|unshare)$/) { sub(/^[a-z]+\(/, "", value); sub(/,.*/, "", value) }
            else if (call ~ /^(fcntl|ioctl)$/) { sub(/^[a-z]+\([^,]*, /, "", value); sub(/,.*/, "", value) }
            else if (call ~ /^(mmap|mprotect)$/) { split(value, part, ", "); value = part[3] }
            else if (call == "clone") { sub(/.*flags=/, "", value); sub(/,.*/, "", value) }
            else value = ""
            if (value != "") values[call " " value] = 1
        }
        # A clone that makes a thread may be cut in two lines, the result on the second.
        if (text ~ /^clone3?\(/) cloning[tid] = text ~ /CLONE_THREAD/ ? "thread" : "process"
        if (text ~ /CLONE_THREAD/) cloning[tid] = "thread"
        if (call ~ /^clone3?$/ && text ~ / = [0-9]+( .*)?$/) {
            child = text; sub(/.* = /, "", child); sub(/ .*/, "", child)
            if (cloning[tid] == "thread") leader[child] = group(tid)
            if (filtered(tid)) loaded[child] = 1
        }
        # libseccomp first probes with a null program; only a real one counts.
        if (text ~ /SECCOMP_(SET_)?MODE_FILTER, .*\{len=/) pending[tid] = text ~ /FLAG_TSYNC/ ? "all" : "one"
        if (tid in pending && call ~ /^(seccomp|prctl)$/ && text ~ / = [-0-9]/) {
            if (text ~ / = 0$/) {
                if (pending[tid] == "all") synced[group(tid)] = 1; else loaded[tid] = 1
                any = 1
            }
            delete pending[tid]
        }
        if (call == "execve" && text ~ / = 0$/) { delete loaded[tid]; delete synced[group(tid)] }
    }
    END {
        if (!any) exit 3
        for (call in seen) print call
        for (line in values) print "# " line
    }' "$work"/log.$nnp.* >"$work/calls.$nnp" || { echo "$0: $name never loaded a filter" >&2; exit 1; }
    LC_ALL=C sort -o "$work/calls.$nnp" "$work/calls.$nnp"
done

version=$("$runtime" --version | awk 'NR == 1 { sub(/[^0-9.].*/, "", $3); print $3 }')
rows() {
    while read -r call rest; do
        case $call in
            '#') printf '# no-new-privileges %s: %s\n' "$1" "$rest" ;;
            *) printf '%s\tany\t%s\t%s\t-\tstrace, %s %s\n' "$name" "$1" "$call" "$name" "$version" ;;
        esac
    done
}
LC_ALL=C comm -12 "$work/calls.true" "$work/calls.false" | rows any
LC_ALL=C comm -23 "$work/calls.true" "$work/calls.false" | rows yes
LC_ALL=C comm -13 "$work/calls.true" "$work/calls.false" | rows no
