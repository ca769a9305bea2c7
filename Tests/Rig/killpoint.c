// Runs a program and kills it (SIGKILL) at its N-th change of the host or of the journal, whichever thread makes it.
//
//     killpoint LOG JOURNAL POINT PROGRAM [ARGUMENT…]
//
// POINT is a number from 1: killed right before that change, which then never happens; with a '+' behind it: right
// after it; 0: never. LOG gets a line for each change: number, thread, system call, kind (netlink, sysctl, ioctl or
// journal) and what it is about; then `killed` where it was, and `end` when no thread of the program is left: what it
// started may go on, and is let go on. JOURNAL is the directory whose files count.
//
// A seccomp filter stops the program at the few calls that may be a change (SECCOMP_RET_TRACE, seccomp(2)), and a
// tracer looks at each while its thread stands still (ptrace(2)): so all changes have one order and one count. The
// program keeps the process id of the one who called; the tracer is a process of its own.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static const int watched[] = {
    SYS_write, SYS_writev, SYS_pwrite64, SYS_sendto, SYS_sendmsg, SYS_ioctl,
    SYS_openat, SYS_mkdirat, SYS_renameat, SYS_renameat2, SYS_unlinkat,
#ifdef SYS_mkdir
    SYS_mkdir, SYS_rename, SYS_unlink, SYS_open,
#endif
};
enum { WATCHED = sizeof watched / sizeof watched[0] };

static int out;
static const char *journal;
static pid_t program;

static void fail(const char *what) {
    fprintf(stderr, "killpoint: %s: %s\n", what, strerror(errno));
    exit(125);
}

// MARK: Reading the program

static size_t peek(pid_t thread, unsigned long address, void *buffer, size_t size) {
    struct iovec here = {buffer, size}, there = {(void *)address, size};
    ssize_t count = process_vm_readv(thread, &here, 1, &there, 1, 0);
    return count < 0 ? 0 : (size_t)count;
}

static void text(pid_t thread, unsigned long address, char *buffer, size_t size) {
    // A text may end just before a page that is not there.
    memset(buffer, 0, size);
    for (size_t at = 0; at + 1 < size;) {
        size_t step = 256 - (address + at) % 256;
        if (step > size - 1 - at) step = size - 1 - at;
        size_t count = peek(thread, address + at, buffer + at, step);
        if (count == 0 || memchr(buffer + at, 0, count)) return;
        at += count;
    }
}

// The path that a descriptor leads to, "" where it has none.
static void path_of(pid_t thread, int descriptor, char *buffer, size_t size) {
    char link[64];
    if (descriptor == AT_FDCWD) snprintf(link, sizeof link, "/proc/%d/cwd", thread);
    else snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, descriptor);
    ssize_t count = readlink(link, buffer, size - 1);
    buffer[count < 0 ? 0 : count] = 0;
}

static void path_at(pid_t thread, int directory, unsigned long name, char *buffer, size_t size) {
    char given[512], base[512];
    text(thread, name, given, sizeof given);
    if (given[0] == '/') {
        snprintf(buffer, size, "%s", given);
        return;
    }
    path_of(thread, directory, base, sizeof base);
    snprintf(buffer, size, "%s/%s", base, given);
}

static int in_journal(const char *path) {
    size_t length = strlen(journal);
    return strncmp(path, journal, length) == 0 && (path[length] == 0 || path[length] == '/');
}

// MARK: Netlink

// The netlink protocol of a descriptor of the program, -1 where it is something else.
static int netlink_protocol(int descriptor) {
    int process = syscall(SYS_pidfd_open, program, 0);
    int copy = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, descriptor, 0);
    int domain = 0, protocol = -1;
    socklen_t size = sizeof domain;
    if (copy >= 0 && getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK) {
        size = sizeof protocol;
        getsockopt(copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    }
    if (copy >= 0) close(copy);
    if (process >= 0) close(process);
    return protocol;
}

static int message_changes(int protocol, unsigned type) {
    if (protocol == NETLINK_ROUTE) return type >= RTM_BASE && (type & 3) != 2;
    if (protocol != NETLINK_NETFILTER || NFNL_SUBSYS_ID(type) != NFNL_SUBSYS_NFTABLES) return 0;
    switch (NFNL_MSG_TYPE(type)) {
    case NFT_MSG_GETTABLE: case NFT_MSG_GETCHAIN: case NFT_MSG_GETRULE: case NFT_MSG_GETSET:
    case NFT_MSG_GETSETELEM: case NFT_MSG_GETGEN: case NFT_MSG_GETOBJ: case NFT_MSG_GETFLOWTABLE:
    case NFT_MSG_TRACE: case NFT_MSG_GETOBJ_RESET:
        return 0;
    default: return 1;
    }
}

// How many of the messages in one send change something.
static int messages(pid_t thread, int protocol, unsigned long address, size_t length) {
    int count = 0;
    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= length;) {
        struct nlmsghdr header;
        if (peek(thread, address + at, &header, sizeof header) != sizeof header) break;
        if (header.nlmsg_len < sizeof header) break;
        if (header.nlmsg_flags & NLM_F_REQUEST) count += message_changes(protocol, header.nlmsg_type);
        at += NLMSG_ALIGN(header.nlmsg_len);
    }
    return count;
}

static int vector_messages(pid_t thread, int protocol, unsigned long address) {
    struct msghdr header;
    struct iovec parts[16];
    if (peek(thread, address, &header, sizeof header) != sizeof header) return 0;
    size_t count = header.msg_iovlen < 16 ? header.msg_iovlen : 16;
    if (peek(thread, (unsigned long)header.msg_iov, parts, count * sizeof *parts) == 0) return 0;
    int found = 0;
    for (size_t i = 0; i < count; i++)
        found += messages(thread, protocol, (unsigned long)parts[i].iov_base, parts[i].iov_len);
    return found;
}

// MARK: What a call changes

static int ioctl_changes(unsigned long request) {
    switch (request) {
    case TUNSETIFF: case TUNSETPERSIST: case TUNSETOWNER: case TUNSETGROUP: case TUNSETLINK:
    case SIOCADDRT: case SIOCDELRT: case SIOCSIFNAME: case SIOCSIFFLAGS: case SIOCSIFADDR: case SIOCDIFADDR:
    case SIOCSIFMTU: case SIOCSIFHWADDR: case SIOCSIFTXQLEN: case SIOCSARP: case SIOCDARP:
    case SIOCBRADDBR: case SIOCBRDELBR: case SIOCBRADDIF: case SIOCBRDELIF:
        return 1;
    default: return 0;
    }
}

// The kind of a change, NULL where the call changes neither the host nor the journal; `about` is told to people.
static const char *change(pid_t thread, int call, const uint64_t *args, const char **name, char *about, size_t size) {
    about[0] = 0;
    switch (call) {
    case SYS_write: case SYS_writev: case SYS_pwrite64:
        *name = call == SYS_write ? "write" : call == SYS_writev ? "writev" : "pwrite64";
        path_of(thread, (int)args[0], about, size);
        if (strncmp(about, "/proc/sys/", 10) == 0) return "sysctl";
        return in_journal(about) ? "journal" : NULL;
    case SYS_sendto: case SYS_sendmsg: {
        *name = call == SYS_sendto ? "sendto" : "sendmsg";
        int protocol = netlink_protocol((int)args[0]);
        if (protocol < 0) return NULL;
        int count = call == SYS_sendto ? messages(thread, protocol, args[1], args[2])
                                       : vector_messages(thread, protocol, args[1]);
        snprintf(about, size, "%d", count);
        return count ? "netlink" : NULL;
    }
    case SYS_ioctl:
        *name = "ioctl";
        snprintf(about, size, "%#lx", (unsigned long)args[1]);
        return ioctl_changes(args[1]) ? "ioctl" : NULL;
    case SYS_openat:
        *name = "openat";
        if (!(args[2] & (O_CREAT | O_TRUNC))) return NULL;
        path_at(thread, (int)args[0], args[1], about, size);
        break;
    case SYS_mkdirat: case SYS_unlinkat: case SYS_renameat: case SYS_renameat2:
        *name = call == SYS_mkdirat ? "mkdirat" : call == SYS_unlinkat ? "unlinkat"
              : call == SYS_renameat ? "renameat" : "renameat2";
        path_at(thread, (int)args[0], args[1], about, size);
        break;
#ifdef SYS_mkdir
    case SYS_open:
        *name = "open";
        if (!(args[1] & (O_CREAT | O_TRUNC))) return NULL;
        path_at(thread, AT_FDCWD, args[0], about, size);
        break;
    case SYS_mkdir: case SYS_rename: case SYS_unlink:
        *name = call == SYS_mkdir ? "mkdir" : call == SYS_rename ? "rename" : "unlink";
        path_at(thread, AT_FDCWD, args[0], about, size);
        break;
#endif
    default: return NULL;
    }
    return in_journal(about) ? "journal" : NULL;
}

// MARK: The tracer

static void say(const char *line) {
    if (write(out, line, strlen(line)) < 0) fail("log");
}

static void trace(long point, int after) {
    long number = 0;
    pid_t last = 0;
    char before[1024] = "";
    pid_t waits = 0;  // The thread that is in the change after which all is to end.
    for (;;) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0 && errno == EINTR) continue;
        if (thread < 0) break;  // Nobody is left.
        // Of a process the first thread is reported last.
        if (thread == program && (WIFEXITED(status) || WIFSIGNALED(status))) say("end\n");
        if (!WIFSTOPPED(status)) continue;
        int event = status >> 16, signal = WSTOPSIG(status), resume = PTRACE_CONT;
        if (event == PTRACE_EVENT_SECCOMP) {
            struct __ptrace_syscall_info info;
            char about[sizeof before], line[1200];
            const char *name = "";
            // Only the program itself counts, not what it starts.
            if (syscall(SYS_tgkill, program, thread, 0) == 0 &&
                ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) > 0) {
                const char *kind =
                    change(thread, (int)info.seccomp.nr, info.seccomp.args, &name, about, sizeof about);
                // Where the kernel could not have its lock, it starts a write to a sysctl again (restart_syscall() in
                // net/ipv6/addrconf.c and net/ipv4/devinet.c): still the same one.
                int again = kind && thread == last && strcmp(kind, "sysctl") == 0 && strcmp(about, before) == 0;
                // Another thread may do something in between that is no change.
                if (kind) {
                    last = thread;
                    snprintf(before, sizeof before, "%s", about);
                }
                if (kind && !again) {
                    number++;
                    snprintf(line, sizeof line, "%ld %d %s %s %s\n", number, thread, name, kind, about);
                    say(line);
                    if (number == point && after) {
                        waits = thread;
                        resume = PTRACE_SYSCALL;
                    } else if (number == point) {
                        // With a fatal signal waiting, the call is skipped (seccomp(2), SECCOMP_RET_TRACE).
                        kill(program, SIGKILL);
                        say("killed\n");
                    }
                }
            }
            signal = 0;
        } else if (signal == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info;
            signal = 0;
            if (thread == waits) {
                resume = PTRACE_SYSCALL;
                if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) > 0 &&
                    info.op == PTRACE_SYSCALL_INFO_EXIT) {
                    kill(program, SIGKILL);
                    say("killed\n");
                    waits = 0;
                    resume = PTRACE_CONT;
                }
            }
        } else if (event) {
            signal = 0;
        }
        ptrace(resume, thread, 0, signal);
    }
    exit(0);
}

// MARK: The program

static void filter(void) {
    struct sock_filter code[WATCHED + 3];
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < WATCHED; i++)
        code[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, watched[i], WATCHED - i, 0);
    code[1 + WATCHED] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[2 + WATCHED] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    struct sock_fprog programme = {WATCHED + 3, code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &programme) != 0) fail("seccomp");
}

int main(int count, char **arguments) {
    if (count < 5) {
        fprintf(stderr, "usage: killpoint LOG JOURNAL POINT PROGRAM [ARGUMENT…]\n");
        return 125;
    }
    char *end;
    long point = strtol(arguments[3], &end, 10);
    journal = arguments[2];
    program = getpid();
    out = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0) fail(arguments[1]);
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        // The tracer is nobody's child, so that the program does not meet it.
        if (fork() != 0) _exit(0);
        setsid();
        long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                       PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
        if (ptrace(PTRACE_SEIZE, program, 0, options) != 0) fail("ptrace");
        if (write(ready[1], "", 1) != 1) fail("pipe");
        // Nothing of the program's is held open by its tracer.
        for (int i = 0; i < 1024; i++) if (i != out && i != 2) close(i);
        trace(point, *end == '+');
    }
    waitpid(child, NULL, 0);
    close(ready[1]);
    char byte;
    if (read(ready[0], &byte, 1) != 1) return 125;
    filter();
    execv(arguments[4], arguments + 4);
    fail(arguments[4]);
}
