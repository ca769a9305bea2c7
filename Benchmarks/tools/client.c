/* A client of Drawbridge's API, in C so that it costs next to nothing itself. SOCKET is that of `drawbridged --socket`.
 *
 *     client attach SOCKET NETNS BRIDGE DOMAIN COUNT   pairs, one request after the other; nanoseconds, a line each
 *     client batch  SOCKET NETNS BRIDGE DOMAIN COUNT   the same, all asked for before the first answer; one figure
 *     client detach SOCKET DOMAIN COUNT                one after the other; nanoseconds, a line each
 *     client detach-batch SOCKET DOMAIN COUNT          all asked for before the first answer; one figure
 *     client online|offline SOCKET BRIDGE DOMAIN       one event of vif-bridge, as the client of the scripts asks for it
 *
 * A vif gets a hardware address and one IPv4 and one IPv6 address, so that it is filtered in full; as many of each as
 * ADDRESSES in the environment says, none of them for 0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4000 };

static char *path;
static int guest = -1, addresses = 1, connections[MOST];

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int reach(int type, const char *suffix) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s%s", path, suffix);
    for (int tries = 0;; tries++) {
        int connection = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        if (connection < 0) fail("socket");
        if (!connect(connection, (void *)&address, sizeof address)) return connection;
        if (errno != EAGAIN || tries > 5000) fail(address.sun_path);
        close(connection);
        usleep(200);
    }
}

static void ask(int connection, const char *packet, size_t length, int descriptor) {
    union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr header; } control;
    struct iovec part = {(void *)packet, length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    }
    if (sendmsg(connection, &message, 0) < 0) fail("send");
}

static void answered(int connection) {
    static char reply[1 << 18];
    ssize_t length = recv(connection, reply, sizeof reply - 1, 0);
    if (length <= 0) fail("no answer");
    reply[length] = 0;
    if (strcmp(reply, "0")) {
        fprintf(stderr, "client: %s\n", reply + strlen(reply) + 1);
        exit(1);
    }
    close(connection);
}

static void ask_attach(int connection, const char *bridge, int domain) {
    static char packet[1 << 15];
    int high = domain >> 16 & 255, middle = domain >> 8 & 255, low = domain & 255;
    int length = snprintf(packet, sizeof packet, "attach%cid=vif%d.0%cguestName=g%d%cbridge=%s%c"
                          "mac=00:16:3e:%02x:%02x:%02x%c", 0, domain, 0, domain, 0, bridge, 0, high, middle, low, 0);
    for (int i = 0; i < addresses; i++)
        length += snprintf(packet + length, sizeof packet - length, "address=10.%d.%d.%d%caddress=fd00:%x::%x:%x%c",
                           high + i, middle, low, 0, i, high, middle << 8 | low, 0);
    ask(connection, packet, length, guest);
}

static void ask_offline(int connection, int domain) {
    char packet[512];
    int length = snprintf(packet, sizeof packet, "script%cvif-bridge%c1%coffline%cvif=vif%d.0%c"
                          "XENBUS_PATH=backend/vif/%d/0%c", 0, 0, 0, 0, domain, 0, domain, 0);
    ask(connection, packet, length, -1);
}

static void ask_event(int connection, const char *verb, const char *bridge, int domain) {
    char packet[512];
    int high = domain >> 16 & 255, middle = domain >> 8 & 255, low = domain & 255;
    int length = snprintf(packet, sizeof packet, "script%cvif-bridge%c4%c%s%cbridge=%s%cmac=00:16:3e:%02x:%02x:%02x%c"
                          "ip=10.%d.%d.%d fd00::%x:%x%cvif=vif%d.0%cXENBUS_PATH=backend/vif/%d/0%c", 0, 0, 0, verb, 0,
                          bridge, 0, high, middle, low, 0, high, middle, low, high, middle << 8 | low, 0, domain, 0,
                          domain, 0);
    ask(connection, packet, length, -1);
}

int main(int count, char **words) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    struct rlimit files = {8192, 8192};
    setrlimit(RLIMIT_NOFILE, &files);
    const char *verb = count > 2 ? words[1] : "";
    if (getenv("ADDRESSES")) addresses = atoi(getenv("ADDRESSES"));
    path = count > 2 ? words[2] : NULL;
    int attaches = (!strcmp(verb, "attach") || !strcmp(verb, "batch")) && count == 7;
    int detaches = (!strcmp(verb, "detach") || !strcmp(verb, "detach-batch")) && count == 5;
    int event = (!strcmp(verb, "online") || !strcmp(verb, "offline")) && count == 5;
    if (event) {
        int connection = reach(SOCK_SEQPACKET, ".direct");
        ask_event(connection, verb, words[3], atoi(words[4]));
        answered(connection);
        return 0;
    }
    if (!attaches && !detaches) {
        fprintf(stderr, "client: see the head of client.c for its arguments\n");
        return 2;
    }
    const char *bridge = attaches ? words[4] : NULL;
    int domain = atoi(words[count - 2]), number = atoi(words[count - 1]);
    if (attaches && (guest = open(words[3], O_RDONLY | O_CLOEXEC)) < 0) fail(words[3]);
    if (strstr(verb, "batch")) {
        if (number > MOST) return 2;
        long long before = now();
        for (int i = 0; i < number; i++) {
            connections[i] = reach(SOCK_SEQPACKET, ".direct");
            if (attaches) ask_attach(connections[i], bridge, domain + i);
            else ask_offline(connections[i], domain + i);
        }
        for (int i = 0; i < number; i++) answered(connections[i]);
        printf("%lld\n", now() - before);
        return 0;
    }
    for (int i = 0; i < number; i++) {
        long long before = now();
        int connection = reach(SOCK_SEQPACKET, ".direct");
        if (attaches) ask_attach(connection, bridge, domain + i);
        else ask_offline(connection, domain + i);
        answered(connection);
        printf("%lld\n", now() - before);
    }
    return 0;
}
