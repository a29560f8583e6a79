#: shows: a small shell: redirections, command substitution, a command that is not there
#: needs: dash
#: exec: dash $SCRIPT
count=$(ls / | wc -l)
[ "$count" -gt 5 ] && echo "enough"
absent-command 2>/dev/null || echo "status $?"
{ echo to-file; echo again; } > out.txt 2>&1
cat < out.txt >&2 2>/dev/null
exec 3< out.txt
read -r line <&3
echo "$line"
umask
ulimit -n > /dev/null
kill -TERM $$
echo "not reached"
#: status: signal TERM
