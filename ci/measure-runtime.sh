#!/usr/bin/env bash
# Measures which system calls a container runtime makes between loading the seccomp filter and
# executing the program, with and without no_new_privs, and compares them with the table
# profiles/data/runtimes.tsv.
#
#   ci/measure-runtime.sh runc crun          or paths of programs, such as a new release
#   REPEAT=20 ci/measure-runtime.sh runc     more runs: what a Go runtime does varies [5]
#
# Printed are lines of tab-separated columns:
#   runtime  release  no-new-privileges  call  in-table|missing|not-seen
# A row of the table whose source is "Go", "source" or "reported" is not expected to be seen.
#
# Needs root, strace and a static busybox. Exit status: 0; 1 when the table lacks a call; 2 when it
# could not be measured.
set -euo pipefail
table="$(cd "$(dirname "$0")/.." && pwd)/profiles/data/runtimes.tsv"
[ $# -gt 0 ] || set -- runc crun
repeat=${REPEAT:-5}

fail() {
    echo "measure-runtime: $*" >&2
    exit 2
}
[ "$(id -u)" = 0 ] || fail "needs root"
command -v strace >/dev/null || fail "no strace"
busybox=$(command -v busybox) || fail "no busybox"

bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT
mkdir -p "$bundle"/rootfs/{bin,proc,dev} "$bundle/state"
cp "$busybox" "$bundle/rootfs/bin/busybox"

# One container, of a program that only waits. The filter denies one call that nobody makes, so that
# it is loaded and changes nothing.
config() {
    cat >"$bundle/config.json" <<JSON
{
  "ociVersion": "1.0.2",
  "root": {"path": "rootfs"},
  "process": {
    "terminal": false, "user": {"uid": $3, "gid": $3}, "cwd": "/", "env": ["PATH=/bin"],
    "args": ["/bin/busybox", "sleep", "$2"], "noNewPrivileges": $1,
    "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}
  },
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}
  ],
  "linux": {
    "namespaces": [{"type": "mount"}, {"type": "pid"}],
    "seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]}
  }
}
JSON
}

# crun 1.8 knows cgroups of version 2 only: where the machine has version 1, it is shown version 2.
# The ways to the program differ: run; create and start, as engines do; exec into a container.
# shellcheck disable=SC2016 # the inner shell expands them
start='
name=$0 runtime=$1 bundle=$2 way=$3 id=$4
if [ "$name" = crun ] && [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 none /sys/fs/cgroup || exit 125
fi
run() { "$runtime" --root "$bundle/state" "$@"; }
traced() { strace -f -qq -o "$bundle/strace" "$runtime" --root "$bundle/state" "$@"; }
case $way in
run) traced run --bundle "$bundle" "$id" ;;
create)
    traced create --bundle "$bundle" "$id" &
    tries=0
    until run state "$id" 2>/dev/null | grep -q created; do
        tries=$((tries + 1)) && [ "$tries" -lt 200 ] && sleep 0.05 || break
    done
    run start "$id" && wait
    run delete --force "$id" ;;
exec)
    run run --detach --bundle "$bundle" "$id" >/dev/null 2>&1 </dev/null
    traced exec "$id" /bin/busybox true
    status=$?
    run delete --force "$id"
    exit $status ;;
esac
'

# The calls of the thread that loads the filter, and of threads that it makes, up to its execve. The
# filter is that threads own: without SECCOMP_FILTER_FLAG_TSYNC the others do not have it.
calls() {
    awk '
        function name(line) { sub(/^<\.\.\. /, "", line); sub(/[( ].*/, "", line); return line }
        {
            thread = $1; line = $0; sub(/^[0-9]+ +/, "", line)
            if (line ~ /^(seccomp\(SECCOMP_SET_MODE_FILTER|prctl\(PR_SET_SECCOMP, SECCOMP_MODE_FILTER), .*\{len=/ ||
                line ~ /^prctl\(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, \{len=/) {
                filtered[thread] = 1; loading[thread] = 1; next
            }
            if (!(thread in filtered) || line ~ /^(\+\+\+|---)/) next
            if (loading[thread] && line ~ /^<\.\.\. (seccomp|prctl) resumed/) { loading[thread] = 0; next }
            if (line ~ /^(<\.\.\. )?clone3?[ (].* = [0-9]+$/) filtered[$NF] = 1
            if (line ~ /^<\.\.\./) next
            print name(line)
            if (line ~ /^execve\("\/bin\/busybox"/) exit
        }
    ' "$bundle/strace"
}

missing=0
for runtime in "$@"; do
    path=$(command -v "$runtime") || fail "no $runtime"
    said=$("$path" --version | head -n 1)
    name=${said%% *}
    release=${said##* }
    [ "$name" = runc ] || [ "$name" = crun ] || fail "$path --version says: $said"
    for new_privileges in true false; do
        case $new_privileges in true) column=yes ;; false) column=no ;; esac
        : >"$bundle/calls"
        for _ in $(seq "$repeat"); do
            for way in run create exec; do
                # Only who is joined has to stay; another user is given the standard streams.
                case $way in
                run) config "$new_privileges" 0 0 ;;
                create) config "$new_privileges" 0 1000 ;;
                exec) config "$new_privileges" 60 0 ;;
                esac
                unshare -m sh -c "$start" "$name" "$path" "$bundle" "$way" "measure-$$" </dev/null ||
                    fail "$path could not $way a container (noNewPrivileges: $new_privileges)"
                calls >>"$bundle/calls"
            done
        done
        sort -u "$bundle/calls" >"$bundle/seen"
        grep -q . "$bundle/seen" || fail "the filter was not seen to be loaded"
        awk -F '\t' -v runtime="$name" -v release="${release%%+*}" -v column="$column" -v shown="$release" '
            function newer(a, b,    x, y, i) {
                split(a, x, "."); split(b, y, ".")
                for (i = 1; i <= 3; i++) if (x[i] + 0 != y[i] + 0) return x[i] + 0 > y[i] + 0
                return 1
            }
            NR == FNR { seen[$1] = 1; next }
            /^#/ || $1 != runtime { next }
            {
                since = $2; sub(/\+$/, "", since)
                applies = ($2 == "any" || newer(release, since)) && ($3 == "any" || $3 == column)
                if (!applies) next
                known[$4] = 1
                if (!($4 in seen) && $6 ~ /^strace/) print runtime "\t" shown "\t" column "\t" $4 "\tnot-seen"
            }
            END {
                for (call in seen)
                    print runtime "\t" shown "\t" column "\t" call "\t" (call in known ? "in-table" : "missing")
            }
        ' "$bundle/seen" "$table" | sort -t '	' -k 5,5 -k 4,4 | tee "$bundle/lines"
        ! grep -q 'missing$' "$bundle/lines" || missing=1
    done
done
exit "$missing"
