/* A store that answers at once, in favour of the scripts that ask it: a static program in place of xenstore-read and
 * xenstore-write, with no daemon behind it. The bridge is the one of BENCH_BRIDGE, the address that of BENCH_IP; nothing
 * else is there.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments) {
    const char *name = strrchr(arguments[0], '/');
    name = name ? name + 1 : arguments[0];
    if (strcmp(name, "xenstore-read")) return 0;
    const char *key = count > 1 ? strrchr(arguments[1], '/') : "";
    const char *value = !key ? NULL : !strcmp(key, "/bridge") ? getenv("BENCH_BRIDGE")
                      : !strcmp(key, "/ip") ? getenv("BENCH_IP") : NULL;
    if (!value) return 1;
    (void)!write(1, value, strlen(value));
    (void)!write(1, "\n", 1);
    return 0;
}
