# Runs a program for as long as the process that started this guard lives.
# Standard input is a pipe whose other end only that process holds: it ends with the process, however that ends.
# Usage: guard LOG PROGRAM [ARGUMENT...]; prints the program's id, exits with its status.
log=$1
shift
exec 3<&0
"$@" 3<&- </dev/null >>"$log" 2>&1 &
program=$!
echo "$program"
{
    read -r _ <&3
    kill -9 "$program"
} >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$program"
status=$?
kill -9 "$watcher" 2>/dev/null
exit "$status"
