// Shows iconv: its converters are libraries that it opens.
//# build converts: gcc -O2 -o $OUT $SRC
//# must: exit_group openat read mmap
//# assumption: converters
//# not: reboot sethostname
#include <iconv.h>

int main(int argc, char **argv) { return iconv_open(argv[argc - 1], "UTF-8") == (iconv_t)-1; }
