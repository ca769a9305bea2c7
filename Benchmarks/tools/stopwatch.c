/* Times programs from the start of the process to its exit, as a hypervisor that runs a script sees them.
 *
 * Reads lines of fields separated by tabs, and answers each with one line:
 *
 *     run   [NAME=VALUE]... [<FILE] -- PROGRAM [ARGUMENT]...    prints "NANOSECONDS STATUS"
 *     many N    the next N lines are run all at once            prints "NANOSECONDS FAILURES"
 *
 * Standard output and error of the programs are thrown away; <FILE is their standard input.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { MOST_FIELDS = 128, MOST_AT_ONCE = 4096 };

struct command {
    char *line;
    char *fields[MOST_FIELDS];
    char **environment, **arguments;
    posix_spawn_file_actions_t actions;
};

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void prepare(struct command *command) {
    char *line = NULL;
    size_t room = 0;
    if (getline(&line, &room, stdin) < 0) exit(0);
    line[strcspn(line, "\n")] = 0;
    command->line = line;
    char *input = "/dev/null";
    int count = 0;
    strtok(line, "\t");
    command->environment = command->fields;
    command->arguments = NULL;
    for (char *field; (field = strtok(NULL, "\t")) && count < MOST_FIELDS - 2;) {
        if (!command->arguments && field[0] == '<') { input = field + 1; continue; }
        if (!command->arguments && !strcmp(field, "--")) {
            command->fields[count++] = NULL;
            command->arguments = command->fields + count;
            continue;
        }
        command->fields[count++] = field;
    }
    command->fields[count] = NULL;
    posix_spawn_file_actions_init(&command->actions);
    posix_spawn_file_actions_addopen(&command->actions, 0, input, O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&command->actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&command->actions, 2, "/dev/null", O_WRONLY, 0);
}

static pid_t start(struct command *command) {
    pid_t child = -1;
    if (!command->arguments || !command->arguments[0]
        || posix_spawn(&child, command->arguments[0], &command->actions, NULL, command->arguments,
                       command->environment))
        return -1;
    return child;
}

static void discard(struct command *command) {
    posix_spawn_file_actions_destroy(&command->actions);
    free(command->line);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    static struct command commands[MOST_AT_ONCE];
    for (;;) {
        int first = getc(stdin), status = 0;
        if (first == EOF) return 0;
        ungetc(first, stdin);
        if (first != 'm') {
            prepare(&commands[0]);
            long long begin = now();
            pid_t child = start(&commands[0]);
            if (child > 0) waitpid(child, &status, 0);
            long long end = now();
            printf("%lld %d\n", end - begin, child < 0 ? 127 : WIFEXITED(status) ? WEXITSTATUS(status) : 255);
            discard(&commands[0]);
            continue;
        }
        int count = 0, failures = 0, running = 0;
        if (scanf("many %d\n", &count) != 1 || count < 1 || count > MOST_AT_ONCE) return 2;
        for (int i = 0; i < count; i++) prepare(&commands[i]);
        long long begin = now();
        for (int i = 0; i < count; i++) {
            if (start(&commands[i]) > 0) running++; else failures++;
        }
        while (running-- > 0) {
            wait(&status);
            if (status) failures++;
        }
        long long end = now();
        for (int i = 0; i < count; i++) discard(&commands[i]);
        printf("%lld %d\n", end - begin, failures);
    }
}
