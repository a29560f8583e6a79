#: shows: a compiler driver, its compiler, assembler and linker, and the programs that they made
#: needs: gcc
#: setup: printf '#include <stdio.h>\n#include <math.h>\nint twice(int);\n' > main.c
#: setup: printf 'int main(int c, char **v) { (void)v; printf("%%d %%.1f\\n", twice(21), sqrt(c + 1.25)); return 0; }\n' >> main.c
#: setup: echo 'int twice(int n) { return 2 * n; }' > twice.c
gcc -O2 -Wall -c main.c twice.c && gcc -o program main.o twice.o -lm && ./program
gcc -shared -fPIC -O2 -o libtwice.so twice.c
gcc -o dynamic main.c -L. -ltwice -lm -Wl,-rpath,"$PWD" && ./dynamic
gcc -pipe -static -o static main.c twice.c -lm && ./static
echo 'int main(void) { return missing(); }' > bad.c; gcc -o bad bad.c 2> /dev/null; echo "bad: $?"
ar rcs libtwice.a twice.o && nm libtwice.a | grep -c twice; strip program && ./program
