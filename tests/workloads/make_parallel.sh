#: shows: a build of small files, two at a time, with make's job server and a failing target
#: needs: gcc make
#: setup: printf 'OBJS := $(sort $(wildcard u*.c))\nOBJS := $(OBJS:.c=.o)\n' > Makefile
#: setup: printf 'all: program sub\nprogram: $(OBJS) main.o\n\t@$(CC) -o $@ $^\n' >> Makefile
#: setup: printf '%%.o: %%.c\n\t@$(CC) -O1 -c $< -o $@\nfail:\n\t@exit 7\n' >> Makefile
#: setup: printf 'sub:\n\t@$(MAKE) --no-print-directory -C subdir\n' >> Makefile
#: setup: mkdir subdir; printf 'all: one two\none two:\n\t@touch $@\n' > subdir/Makefile
#: setup: for i in $(seq 8); do echo "int u$i(void) { return $i; }" > u$i.c; done
#: setup: printf '#include <stdio.h>\nint u1(void), u8(void);\n' > main.c
#: setup: printf 'int main(void) { printf("%%d\\n", u1() + u8()); return 0; }\n' >> main.c
#: output: sorted
make -j2 && ./program && ls subdir
touch u3.c && make -j2 && make -q && echo "up to date"
make -s fail 2> /dev/null; echo "fail: $?"
