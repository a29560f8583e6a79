/* Builds filters with libseccomp from descriptions on stdin, and prints each as one line of
 * hexadecimal digits, or as "error ...".
 *
 *   filter DEFAULT FOREIGN OPTIMIZE    actions as numbers; how libseccomp orders: 1 or 2
 *   arch NAME
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

static uint32_t def, foreign, optimize;
static scmp_filter_ctx whole, part;
static char error[256];

static void check(int rc, const char *what)
{
    if (rc < 0 && !error[0])
        snprintf(error, sizeof error, "%s: %s", what, strerror(-rc));
}

static void join(void)
{
    if (part && whole)
        check(seccomp_merge(whole, part), "merge");
    else if (part)
        whole = part;
    part = NULL;
}

static void arch(const char *name)
{
    uint32_t token = seccomp_arch_resolve_name(name);
    join();
    part = seccomp_init(def);
    if (token != seccomp_arch_native()) {
        check(seccomp_arch_add(part, token), name);
        check(seccomp_arch_remove(part, SCMP_ARCH_NATIVE), name);
    }
    check(seccomp_attr_set(part, SCMP_FLTATR_ACT_BADARCH, foreign), "badarch");
    check(seccomp_attr_set(part, SCMP_FLTATR_CTL_OPTIMIZE, optimize), "optimize");
}

static void rule(char *text)
{
    static const char *const names[] = {"ne", "lt", "le", "eq", "ge", "gt", "masked-eq"};
    uint32_t action = strtoul(strtok(text, " \n"), NULL, 0);
    char *call = strtok(NULL, " \n"), *word;
    struct scmp_arg_cmp args[6];
    unsigned count = 0;
    while ((word = strtok(NULL, " \n"))) {
        struct scmp_arg_cmp *arg = &args[count++];
        arg->arg = strtoul(word, NULL, 0);
        word = strtok(NULL, " \n");
        for (unsigned op = 0; op < 7; op++)
            if (!strcmp(word, names[op]))
                arg->op = SCMP_CMP_NE + op;
        arg->datum_a = strtoull(strtok(NULL, " \n"), NULL, 0);
        arg->datum_b = strtoull(strtok(NULL, " \n"), NULL, 0);
    }
    check(seccomp_rule_add_exact_array(part, action, seccomp_syscall_resolve_name(call), count, args),
          call);
}

static void end(void)
{
    unsigned char bytes[8];
    FILE *file = tmpfile();
    join();
    if (!error[0])
        check(seccomp_export_bpf(whole, fileno(file)), "export");
    rewind(file);
    if (error[0])
        printf("error %s", error);
    else
        while (fread(bytes, 1, 8, file) == 8)
            for (int i = 0; i < 8; i++)
                printf("%02x", bytes[i]);
    putchar('\n');
    fclose(file);
    seccomp_release(whole);
    whole = NULL;
    error[0] = 0;
}

int main(void)
{
    static char line[4096], name[64];
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "filter %" SCNu32 " %" SCNu32 " %" SCNu32, &def, &foreign, &optimize) == 3)
            continue;
        if (sscanf(line, "arch %63s", name) == 1)
            arch(name);
        else if (!strncmp(line, "rule ", 5))
            rule(line + 5);
        else if (!strcmp(line, "end\n"))
            end();
        else
            return 2;
    }
    return 0;
}
