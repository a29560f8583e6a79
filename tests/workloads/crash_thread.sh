#: shows: a program that dies by SIGSEGV of a thread, under a shell that goes on
#: fixture: crash
{ crash thread; } 2> /dev/null
echo "status $?"
