/* Builds filters with libseccomp in the way of runc, from descriptions on stdin; prints of each one
 * line: the highest named number of each architecture, NAME=NUMBER, and then the filter in hexadecimal
 * digits, or "error ...".
 *
 *   profile DEFAULT OPTIMIZE ARCH      an action as a number; how libseccomp orders: 1 or 2; of runc
 *   arch NAME                          one that the profile lists
 *   name CALL                          a call that some entry names
 *   rule ACTION CALL [INDEX OP A B]...
 *   end
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static scmp_filter_ctx filter;
static char error[256];
static char arches[16][64];
static int last[16], count;

static void check(int rc, const char *what)
{
    if (rc < 0 && rc != -EEXIST && !error[0])
        snprintf(error, sizeof error, "%s: %s", what, strerror(-rc));
}

static void rule(char *text)
{
    static const char *const names[] = {"ne", "lt", "le", "eq", "ge", "gt", "masked-eq"};
    uint32_t action = strtoul(strtok(text, " \n"), NULL, 0);
    char *call = strtok(NULL, " \n"), *word;
    int number = seccomp_syscall_resolve_name(call);
    struct scmp_arg_cmp args[6];
    unsigned used = 0;
    if (number == __NR_SCMP_ERROR)
        return;
    while ((word = strtok(NULL, " \n"))) {
        struct scmp_arg_cmp *arg = &args[used++];
        arg->arg = strtoul(word, NULL, 0);
        word = strtok(NULL, " \n");
        for (unsigned op = 0; op < 7; op++)
            if (!strcmp(word, names[op]))
                arg->op = SCMP_CMP_NE + op;
        arg->datum_a = strtoull(strtok(NULL, " \n"), NULL, 0);
        arg->datum_b = strtoull(strtok(NULL, " \n"), NULL, 0);
    }
    check(seccomp_rule_add_array(filter, action, number, used, args), call);
}

static void end(void)
{
    unsigned char bytes[8];
    FILE *file = tmpfile();
    if (!error[0])
        check(seccomp_export_bpf(filter, fileno(file)), "export");
    rewind(file);
    if (error[0])
        printf("error %s", error);
    else {
        for (int i = 0; i < count; i++)
            printf("%s=%d ", arches[i], last[i]);
        while (fread(bytes, 1, 8, file) == 8)
            for (int i = 0; i < 8; i++)
                printf("%02x", bytes[i]);
    }
    putchar('\n');
    fclose(file);
    seccomp_release(filter);
    error[0] = 0;
}

int main(void)
{
    static char line[4096], word[64];
    uint32_t def, optimize;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "profile %" SCNu32 " %" SCNu32 " %63s", &def, &optimize, word) == 3) {
            uint32_t native = seccomp_arch_resolve_name(word);
            filter = seccomp_init(def);
            if (native != seccomp_arch_native()) {
                check(seccomp_arch_add(filter, native), word);
                check(seccomp_arch_remove(filter, SCMP_ARCH_NATIVE), word);
            }
            check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, optimize), "optimize");
            count = 0;
        } else if (sscanf(line, "arch %63s", word) == 1) {
            check(seccomp_arch_add(filter, seccomp_arch_resolve_name(word)), word);
            strcpy(arches[count], word);
            last[count++] = 0;
        } else if (sscanf(line, "name %63s", word) == 1) {
            for (int i = 0; i < count; i++) {
                int number = seccomp_syscall_resolve_name_arch(
                    seccomp_arch_resolve_name(arches[i]), word);
                if (number > last[i])
                    last[i] = number;
            }
        } else if (!strncmp(line, "rule ", 5))
            rule(line + 5);
        else if (!strcmp(line, "end\n"))
            end();
        else
            return 2;
    }
    return 0;
}
