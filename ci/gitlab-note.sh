#!/usr/bin/env bash
# Puts the changes that ci/check.sh found into a note on the merge request, in place of the note of
# the last pipeline. Does nothing without PROFGEN_TOKEN, or outside a merge request.
set -euo pipefail

body=${PROFGEN_RESULTS:-profgen-results}/diff.md
[ -n "${PROFGEN_TOKEN:-}" ] && [ -n "${CI_MERGE_REQUEST_IID:-}" ] && [ -e "$body" ] || exit 0

notes=$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes
call() {
    # From standard input: what stands on the command line can be seen by every process.
    curl --silent --show-error --fail --config <(printf 'header = "PRIVATE-TOKEN: %s"\n' "$PROFGEN_TOKEN") "$@"
}
previous=$(call "$notes?per_page=100" |
    jq -r 'map(select(.body | startswith("### profgen:"))) | last | .id // empty')
if [ -n "$previous" ]; then
    call --request PUT --data-urlencode "body@$body" "$notes/$previous" >/dev/null
else
    call --request POST --data-urlencode "body@$body" "$notes" >/dev/null
fi
