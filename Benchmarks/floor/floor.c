/* The floor: what the kernel itself costs. The fewest netlink messages that leave the host as an attach by Drawbridge
 * leaves it, from one socket that is open already, with every constant known beforehand and nothing verified.
 *
 *     floor attach NETNS BRIDGE GROUP DOMAIN COUNT [bare]   one at a time; prints nanoseconds, a line each
 *     floor batch  NETNS BRIDGE GROUP DOMAIN COUNT [bare]   all in sends of up to 100; prints nanoseconds once
 *     floor port NAME BRIDGE                                an existing vif, as vif-bridge online leaves it
 *     floor detach DOMAIN COUNT                             one at a time, by name
 *     floor delete GROUP                                    all of a link group with one message
 *     floor regroup GROUP DOMAIN COUNT                      moves some into a link group and deletes that
 *
 * "bare" leaves out what marks and guards the vif: it is created as an enslaved pair and set up, no more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PER_SEND = 100 };

static const unsigned char xen[6] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff};
static char buffer[1 << 20];
static size_t length;
static int channel, guest;
static unsigned bridge, group, mtu = 1500, sequence;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct nlmsghdr *begin(int type, int flags, struct ifinfomsg link) {
    struct nlmsghdr *message = (void *)(buffer + length);
    memset(message, 0, NLMSG_LENGTH(sizeof link));
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    message->nlmsg_seq = ++sequence;
    memcpy(NLMSG_DATA(message), &link, sizeof link);
    length += NLMSG_SPACE(sizeof link);
    return message;
}

static void end(struct nlmsghdr *message) { message->nlmsg_len = buffer + length - (char *)message; }

static struct rtattr *put(int type, const void *data, size_t size) {
    struct rtattr *attribute = (void *)(buffer + length);
    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(size);
    if (size) memcpy(RTA_DATA(attribute), data, size);
    length += RTA_SPACE(size);
    return attribute;
}

static struct rtattr *nest(int type) { return put(type | NLA_F_NESTED, NULL, 0); }
static void close_nest(struct rtattr *nest) { nest->rta_len = buffer + length - (char *)nest; }
static void put_text(int type, const char *text) { put(type, text, strlen(text) + 1); }
static void put_number(int type, unsigned number) { put(type, &number, sizeof number); }

/* Sends what waits and reads the one acknowledgement that was asked for, or the first error. */
static void commit(void) {
    if (send(channel, buffer, length, 0) != (ssize_t)length) fail("send");
    length = 0;
    char answer[8192];
    for (;;) {
        ssize_t size = recv(channel, answer, sizeof answer, 0);
        if (size < 0) fail("receive");
        struct nlmsghdr *message = (void *)answer;
        struct nlmsgerr *error = NLMSG_DATA(message);
        if (message->nlmsg_type != NLMSG_ERROR) continue;
        if (error->error) { errno = -error->error; fail("the kernel refused"); }
        if (message->nlmsg_seq == sequence) return;
    }
}

static const char *vif(int domain) {
    static char name[IFNAMSIZ];
    snprintf(name, sizeof name, "vif%d.0", domain);
    return name;
}

/* Everything about a port that is not told when it is made. */
static void finish(const char *name, int last) {
    char mark[64];
    snprintf(mark, sizeof mark, "bench-floor %s", name);
    struct nlmsghdr *message = begin(RTM_NEWLINK, last ? NLM_F_ACK : 0,
                                     (struct ifinfomsg){.ifi_flags = IFF_UP | IFF_NOARP,
                                                        .ifi_change = IFF_UP | IFF_NOARP | IFF_MULTICAST});
    put_text(IFLA_IFNAME, name);
    put_text(IFLA_IFALIAS, mark);
    struct rtattr *families = nest(IFLA_AF_SPEC), *internet6 = nest(AF_INET6);
    unsigned char mode = IN6_ADDR_GEN_MODE_NONE, on = 1;
    put(IFLA_INET6_ADDR_GEN_MODE, &mode, 1);
    close_nest(internet6);
    close_nest(families);
    struct rtattr *info = nest(IFLA_LINKINFO);
    put_text(IFLA_INFO_SLAVE_KIND, "bridge");
    struct rtattr *data = nest(IFLA_INFO_SLAVE_DATA);
    put(IFLA_BRPORT_GUARD, &on, 1);
    close_nest(data);
    close_nest(info);
    end(message);
}

static void attach(int domain, int last, int bare) {
    char peer[IFNAMSIZ];
    unsigned char mac[6] = {0, 0x16, 0x3e, domain >> 16, domain >> 8, domain};
    snprintf(peer, sizeof peer, "g%d", domain);
    struct nlmsghdr *message = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | (last ? NLM_F_ACK : 0),
                                     (struct ifinfomsg){.ifi_flags = bare ? IFF_UP : 0,
                                                        .ifi_change = bare ? IFF_UP : 0});
    put_text(IFLA_IFNAME, vif(domain));
    put_number(IFLA_MASTER, bridge);
    if (!bare) {
        put(IFLA_ADDRESS, xen, sizeof xen);
        put_number(IFLA_MTU, mtu);
        put_number(IFLA_GROUP, group);
    }
    struct rtattr *info = nest(IFLA_LINKINFO);
    put_text(IFLA_INFO_KIND, "veth");
    struct rtattr *data = nest(IFLA_INFO_DATA);
    struct rtattr *other = nest(VETH_INFO_PEER);
    struct ifinfomsg none = {0};
    memcpy(buffer + length, &none, sizeof none);
    length += NLMSG_ALIGN(sizeof none);
    put_text(IFLA_IFNAME, peer);
    put(IFLA_ADDRESS, mac, sizeof mac);
    if (!bare) put_number(IFLA_MTU, mtu);
    put_number(IFLA_NET_NS_FD, guest);
    close_nest(other);
    close_nest(data);
    close_nest(info);
    end(message);
}

static void port(const char *name) {
    struct nlmsghdr *message = begin(RTM_NEWLINK, 0, (struct ifinfomsg){0});
    put_text(IFLA_IFNAME, name);
    put_number(IFLA_MASTER, bridge);
    put(IFLA_ADDRESS, xen, sizeof xen);
    put_number(IFLA_MTU, mtu);
    end(message);
    finish(name, 1);
    commit();
}

/* IPv6 off before the vif is up, as Drawbridge leaves it: the one setting that netlink does not carry. */
static void forbid_ipv6(const char *name) {
    char path[80];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "1", 1) != 1) fail(path);
    close(file);
}

static void delete_group(unsigned which) {
    struct nlmsghdr *message = begin(RTM_DELLINK, NLM_F_ACK, (struct ifinfomsg){0});
    put_number(IFLA_GROUP, which);
    end(message);
    commit();
}

static void regroup(unsigned which, int domain, int count) {
    for (int i = 0; i < count; i++) {
        int last = i + 1 == count || (i + 1) % PER_SEND == 0;
        struct nlmsghdr *message = begin(RTM_NEWLINK, last ? NLM_F_ACK : 0, (struct ifinfomsg){0});
        put_text(IFLA_IFNAME, vif(domain + i));
        put_number(IFLA_GROUP, which);
        end(message);
        if (last) commit();
    }
    delete_group(which);
}

int main(int count, char **words) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    channel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (channel < 0) fail("socket");
    const char *verb = count > 1 ? words[1] : "";
    if ((!strcmp(verb, "attach") || !strcmp(verb, "batch")) && count >= 7) {
        guest = open(words[2], O_RDONLY | O_CLOEXEC);
        if (guest < 0) fail(words[2]);
        bridge = if_nametoindex(words[3]);
        group = strtoul(words[4], NULL, 0);
        int domain = atoi(words[5]), number = atoi(words[6]), bare = count > 7;
        int together = strcmp(verb, "batch") == 0 ? PER_SEND : 1;
        long long start = now(), before = start;
        for (int first = 0; first < number; first += together) {
            int size = number - first < together ? number - first : together;
            for (int i = 0; i < size; i++) attach(domain + first + i, i + 1 == size, bare);
            commit();
            for (int i = 0; i < size && !bare; i++) forbid_ipv6(vif(domain + first + i));
            for (int i = 0; i < size && !bare; i++) finish(vif(domain + first + i), i + 1 == size);
            if (!bare) commit();
            long long time = now();
            if (together == 1) printf("%lld\n", time - before);
            before = time;
        }
        if (together > 1) printf("%lld\n", before - start);
    } else if (!strcmp(verb, "port") && count == 4) {
        bridge = if_nametoindex(words[3]);
        forbid_ipv6(words[2]);
        port(words[2]);
    } else if (!strcmp(verb, "detach") && count == 4) {
        int domain = atoi(words[2]), number = atoi(words[3]);
        for (int i = 0; i < number; i++) {
            long long before = now();
            struct nlmsghdr *message = begin(RTM_DELLINK, NLM_F_ACK, (struct ifinfomsg){0});
            put_text(IFLA_IFNAME, vif(domain + i));
            end(message);
            commit();
            printf("%lld\n", now() - before);
        }
    } else if (!strcmp(verb, "delete") && count == 3) {
        long long before = now();
        delete_group(strtoul(words[2], NULL, 0));
        printf("%lld\n", now() - before);
    } else if (!strcmp(verb, "regroup") && count == 5) {
        long long before = now();
        regroup(strtoul(words[2], NULL, 0), atoi(words[3]), atoi(words[4]));
        printf("%lld\n", now() - before);
    } else {
        fprintf(stderr, "floor: see the head of floor.c for its arguments\n");
        return 2;
    }
    return 0;
}
