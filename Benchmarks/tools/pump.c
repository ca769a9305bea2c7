/* Sends frames from guests to guests as fast as one processor can, and counts what arrives. Run it in the namespace of
 * the guests' ends. It stops after the time that is told, and after 20 million frames in any case.
 *
 *     pump MILLISECONDS 4|6 FROM:TO...     domains; prints "SENT RECEIVED NANOSECONDS BUSY"
 *
 * A frame is an IPv4 or IPv6 packet with 18 octets of UDP, from the addresses that the floor and the client give a domain.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PAIRS = 256, MOST_HELPERS = 64, TOGETHER = 64, MOST_FRAMES = 20000000, SIZE = 80 };

struct frame {
    struct sockaddr_ll out;
    unsigned char octets[SIZE];
    struct iovec part;
};

static struct frame frames[MOST_PAIRS], greetings[MOST_PAIRS];
static int receivers[MOST_PAIRS], pairs, channel, helpers;
static char helper[MOST_HELPERS][64];

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* How long this process has been on a processor, which also does in its time what the frames give it to do, and the
 * threads of the kernel's that take over when that becomes too much: what else the machine does is hardly counted.
 */
static long long busy(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    long long sum = time.tv_sec * 1000000000LL + time.tv_nsec;
    for (int i = 0; i < helpers; i++) {
        FILE *file = fopen(helper[i], "r");
        long long value;
        if (file && fscanf(file, "%lld", &value) == 1) sum += value;
        if (file) fclose(file);
    }
    return sum;
}

/* Finds ksoftirqd/N. */
static void find_helpers(void) {
    for (int process = 2; process < 4000 && helpers < MOST_HELPERS; process++) {
        char path[64], name[32] = "";
        snprintf(path, sizeof path, "/proc/%d/comm", process);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        if (fgets(name, sizeof name, file) && !strncmp(name, "ksoftirqd/", 10))
            snprintf(helper[helpers++], sizeof *helper, "/proc/%d/schedstat", process);
        fclose(file);
    }
}

static void fail(const char *what) {
    fprintf(stderr, "pump: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void hardware(unsigned char *place, int domain) {
    unsigned char address[6] = {0, 0x16, 0x3e, domain >> 16, domain >> 8, domain};
    memcpy(place, address, 6);
}

static void protocol(unsigned char *place, int domain, int family) {
    unsigned char ipv4[4] = {10, domain >> 16, domain >> 8, domain};
    unsigned char ipv6[16] = {0xfd, [13] = domain >> 16, [14] = domain >> 8, [15] = domain};
    memcpy(place, family == 4 ? ipv4 : ipv6, family == 4 ? 4 : 16);
}

static void put16(unsigned char *place, unsigned value) { place[0] = value >> 8, place[1] = value; }

static void make(struct frame *frame, int from, int to, int family) {
    char name[IFNAMSIZ];
    snprintf(name, sizeof name, "g%d", from);
    int index = if_nametoindex(name);
    if (!index) fail(name);
    frame->out = (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_ifindex = index, .sll_halen = 6,
                                      .sll_protocol = htons(family == 4 ? ETH_P_IP : ETH_P_IPV6)};
    hardware(frame->out.sll_addr, to);
    unsigned char *octets = frame->octets, *packet = octets + 14, *datagram = packet + (family == 4 ? 20 : 40);
    hardware(octets, to);
    hardware(octets + 6, from);
    put16(octets + 12, family == 4 ? ETH_P_IP : ETH_P_IPV6);
    if (family == 4) {
        packet[0] = 0x45, packet[8] = 64, packet[9] = 17;
        put16(packet + 2, 46);
        protocol(packet + 12, from, 4);
        protocol(packet + 16, to, 4);
        unsigned sum = 0;
        for (int i = 0; i < 20; i += 2) sum += packet[i] << 8 | packet[i + 1];
        sum = (sum & 0xffff) + (sum >> 16);
        put16(packet + 10, ~(sum + (sum >> 16)));
    } else {
        packet[0] = 0x60, packet[6] = 17, packet[7] = 64;
        put16(packet + 4, 26);
        protocol(packet + 8, from, 6);
        protocol(packet + 24, to, 6);
    }
    put16(datagram, 4000), put16(datagram + 2, 4001), put16(datagram + 4, 26);
    frame->part = (struct iovec){octets, (size_t)(datagram + 26 - octets)};
}

/* What has arrived at the receivers so far. */
static long long arrived(void) {
    long long sum = 0;
    for (int i = 0; i < pairs; i++) {
        char path[96];
        snprintf(path, sizeof path, "/sys/class/net/g%d/statistics/rx_packets", receivers[i]);
        FILE *file = fopen(path, "r");
        long long value;
        if (!file || fscanf(file, "%lld", &value) != 1) fail(path);
        fclose(file);
        sum += value;
    }
    return sum;
}

static int put(struct frame *list, int count, int first) {
    static struct mmsghdr messages[TOGETHER];
    for (int i = 0; i < count; i++) {
        struct frame *frame = &list[(first + i) % pairs];
        messages[i].msg_hdr = (struct msghdr){.msg_name = &frame->out, .msg_namelen = sizeof frame->out,
                                              .msg_iov = &frame->part, .msg_iovlen = 1};
    }
    int sent = sendmmsg(channel, messages, count, 0);
    return sent > 0 ? sent : 0;
}

int main(int count, char **words) {
    if (count < 4 || count - 3 > MOST_PAIRS) {
        fprintf(stderr, "pump: see the head of pump.c for its arguments\n");
        return 2;
    }
    find_helpers();
    long long limit = atoll(words[1]) * 1000000LL;
    int family = atoi(words[2]), on = 1;
    channel = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (channel < 0) fail("socket");
    if (setsockopt(channel, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on)) fail("PACKET_QDISC_BYPASS");
    for (pairs = 0; pairs < count - 3; pairs++) {
        int from, to;
        if (sscanf(words[pairs + 3], "%d:%d", &from, &to) != 2) return 2;
        make(&frames[pairs], from, to, family);
        make(&greetings[pairs], to, from, family);
        receivers[pairs] = to;
    }
    /* The bridge learns where everybody is, where it learns. */
    for (int i = 0; i < pairs; i++) put(greetings, 1, i);
    for (int i = 0; i < pairs; i++) put(frames, 1, i);
    usleep(20000);
    long long before = arrived(), sent = 0, used = busy(), begin = now(), end;
    do {
        sent += put(frames, TOGETHER, sent % pairs);
        end = now();
    } while (end - begin < limit && sent < MOST_FRAMES);
    used = busy() - used;
    usleep(20000);
    printf("%lld %lld %lld %lld\n", sent, arrived() - before, end - begin, used);
    return 0;
}
