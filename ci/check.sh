#!/usr/bin/env bash
# The pull-request gate: runs the command under `profgen check` and leaves what services of
# continuous integration show in a directory. Used by action.yml and ci/gitlab.yml.
#
#   PROFGEN_COMMAND   one command with its arguments, quoted as in a shell: what the policy was
#                     made from, so no shell stands before it that was not there then
#   PROFGEN_POLICY    the policy that was committed, or a bundle
#   PROFGEN_FAIL_ON   widened (the default), risky or changed
#   PROFGEN_RESULTS   the directory for diff.md, diff.sarif, diff.json and policy.json, the policy
#                     to commit when the changes are wanted
#
# Exit status: that of `profgen check`.
set -euo pipefail

: "${PROFGEN_COMMAND:?the command to run}"
: "${PROFGEN_POLICY:?the committed policy}"
results=${PROFGEN_RESULTS:-profgen-results}
mkdir -p "$results"

if [ ! -e "$PROFGEN_POLICY" ]; then
    echo "profgen: there is no $PROFGEN_POLICY yet: run \`profgen trace -o app.profgen -- CMD\` and" \
        "commit app.profgen/policy.json under that name" >&2
    exit 2
fi
eval "set -- $PROFGEN_COMMAND"
exec profgen check \
    --policy "$PROFGEN_POLICY" \
    --fail-on "${PROFGEN_FAIL_ON:-widened}" \
    --markdown "$results/diff.md" \
    --sarif "$results/diff.sarif" \
    --json "$results/diff.json" \
    --output "$results/policy.json" \
    -- "$@"
