/* The floor: what the kernel itself costs. The fewest netlink messages that leave the host as an attach by Drawbridge
 * leaves it, from sockets that are open already, with every constant known beforehand (the indices of the links too),
 * nothing verified and nothing written down. The table of filter.nft has to be there, but for what is "bare".
 *
 *     floor attach NETNS BRIDGE GROUP DOMAIN COUNT [KIND]   one at a time; prints nanoseconds, a line each
 *     floor batch  NETNS BRIDGE GROUP DOMAIN COUNT [KIND]   all in sends of up to 100; prints nanoseconds once
 *     floor port NAME DOMAIN BRIDGE                         an existing vif, as vif-bridge online leaves it
 *     floor forget DOMAIN COUNT                             takes vifs out of the filter
 *     floor detach DOMAIN COUNT                             one at a time, by name; prints nanoseconds, a line each
 *     floor regroup GROUP DOMAIN COUNT                      moves some into a link group and deletes that
 *     floor encode filter|link COUNT                        encodes what an attach sends, and sends nothing
 *
 * KIND is "open" for vifs that are marked and guarded, and not filtered; or "bare" for pairs that are enslaved and set
 * up, no more.
 */
#define _GNU_SOURCE
#include "filter.h"
#include "netlink.h"
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/veth.h>
#include <net/if.h>
#include <time.h>

enum { PER_SEND = 100, FIRST_INDEX = 1 << 24 };
enum kind { FILTERED, OPEN, BARE };

static const unsigned char xen[6] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff};
static int links, filters, guests;
static unsigned bridge, group, mtu = 1500;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct nlmsghdr *begin_link(int type, int flags, struct ifinfomsg link) {
    return begin(type, flags, &link, sizeof link);
}

static const char *vif(int domain) {
    static char name[IFNAMSIZ];
    snprintf(name, sizeof name, "vif%d.0", domain);
    return name;
}

/* Everything about a port that is not told when it is made. A filtered one is not learnt from: it has a lasting entry. */
static void finish(const char *name, int index, int domain, enum kind kind, int last) {
    char mark[64];
    snprintf(mark, sizeof mark, "bench-floor %s", name);
    struct nlmsghdr *message = begin_link(RTM_NEWLINK, last && kind != FILTERED ? NLM_F_ACK : 0,
                                          (struct ifinfomsg){.ifi_index = index, .ifi_flags = IFF_UP | IFF_NOARP,
                                                             .ifi_change = IFF_UP | IFF_NOARP | IFF_MULTICAST});
    put_text(IFLA_IFALIAS, mark);
    struct rtattr *families = nest(IFLA_AF_SPEC), *internet6 = nest(AF_INET6);
    unsigned char mode = IN6_ADDR_GEN_MODE_NONE, on = 1, off = 0;
    put(IFLA_INET6_ADDR_GEN_MODE, &mode, 1);
    close_nest(internet6);
    close_nest(families);
    struct rtattr *info = nest(IFLA_LINKINFO);
    put_text(IFLA_INFO_SLAVE_KIND, "bridge");
    struct rtattr *data = nest(IFLA_INFO_SLAVE_DATA);
    put(IFLA_BRPORT_GUARD, &on, 1);
    if (kind == FILTERED) put(IFLA_BRPORT_LEARNING, &off, 1);
    close_nest(data);
    close_nest(info);
    end(message);
    if (kind != FILTERED) return;
    struct ndmsg entry = {.ndm_family = AF_BRIDGE, .ndm_ifindex = index, .ndm_state = NUD_NOARP,
                          .ndm_flags = NTF_MASTER | NTF_STICKY};
    message = begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | (last ? NLM_F_ACK : 0), &entry, sizeof entry);
    put(NDA_LLADDR, guest_of(domain).mac, 6);
    end(message);
}

static void attach(int domain, int last, int bare) {
    char peer[IFNAMSIZ];
    snprintf(peer, sizeof peer, "g%d", domain);
    unsigned up = bare ? IFF_UP : 0;
    struct nlmsghdr *message = begin_link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | (last ? NLM_F_ACK : 0),
                                          (struct ifinfomsg){.ifi_index = FIRST_INDEX + domain, .ifi_flags = up,
                                                             .ifi_change = up});
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
    put(IFLA_ADDRESS, guest_of(domain).mac, 6);
    if (!bare) put_number(IFLA_MTU, mtu);
    put_number(IFLA_NET_NS_FD, guests);
    close_nest(other);
    close_nest(data);
    close_nest(info);
    end(message);
}

static void port(const char *name, int domain) {
    int index = if_nametoindex(name);
    filter(filters, domain, 1, 1);
    struct nlmsghdr *message = begin_link(RTM_NEWLINK, 0, (struct ifinfomsg){.ifi_index = index});
    put_number(IFLA_MASTER, bridge);
    put(IFLA_ADDRESS, xen, sizeof xen);
    put_number(IFLA_MTU, mtu);
    end(message);
    finish(name, index, domain, FILTERED, 1);
    commit(links, sequence);
}

/* IPv6 off before the vif is up, as Drawbridge leaves it: the one setting that netlink does not carry. */
static void forbid_ipv6(const char *name) {
    char path[80];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "1", 1) != 1) fail(path);
    close(file);
}

static void regroup(unsigned which, int domain, int count) {
    for (int i = 0; i < count; i++) {
        int last = i + 1 == count || (i + 1) % PER_SEND == 0;
        struct nlmsghdr *message = begin_link(RTM_NEWLINK, last ? NLM_F_ACK : 0,
                                              (struct ifinfomsg){.ifi_index = FIRST_INDEX + domain + i});
        put_number(IFLA_GROUP, which);
        end(message);
        if (last) commit(links, sequence);
    }
    struct nlmsghdr *message = begin_link(RTM_DELLINK, NLM_F_ACK, (struct ifinfomsg){0});
    put_number(IFLA_GROUP, which);
    end(message);
    commit(links, sequence);
}

static void forget(int domain, int count) {
    for (int first = 0; first < count; first += PER_SEND)
        filter(filters, domain + first, count - first < PER_SEND ? count - first : PER_SEND, 0);
}

static enum kind kind_of(const char *word) {
    return !strcmp(word, "bare") ? BARE : !strcmp(word, "open") ? OPEN : FILTERED;
}

int main(int count, char **words) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    links = reach(NETLINK_ROUTE);
    filters = reach(NETLINK_NETFILTER);
    const char *verb = count > 1 ? words[1] : "";
    if ((!strcmp(verb, "attach") || !strcmp(verb, "batch")) && count >= 7) {
        guests = open(words[2], O_RDONLY | O_CLOEXEC);
        if (guests < 0) fail(words[2]);
        bridge = if_nametoindex(words[3]);
        group = strtoul(words[4], NULL, 0);
        int domain = atoi(words[5]), number = atoi(words[6]);
        enum kind kind = kind_of(count > 7 ? words[7] : "");
        int together = strcmp(verb, "batch") == 0 ? PER_SEND : 1;
        long long start = now(), before = start;
        for (int first = 0; first < number; first += together) {
            int size = number - first < together ? number - first : together, begins = domain + first;
            if (kind == FILTERED) filter(filters, begins, size, 1);
            for (int i = 0; i < size; i++) attach(begins + i, i + 1 == size, kind == BARE);
            commit(links, sequence);
            for (int i = 0; i < size && kind != BARE; i++) forbid_ipv6(vif(begins + i));
            for (int i = 0; i < size && kind != BARE; i++)
                finish(vif(begins + i), FIRST_INDEX + begins + i, begins + i, kind, i + 1 == size);
            if (kind != BARE) commit(links, sequence);
            long long time = now();
            if (together == 1) printf("%lld\n", time - before);
            before = time;
        }
        if (together > 1) printf("%lld\n", before - start);
    } else if (!strcmp(verb, "port") && count == 5) {
        bridge = if_nametoindex(words[4]);
        forbid_ipv6(words[2]);
        port(words[2], atoi(words[3]));
    } else if (!strcmp(verb, "forget") && count == 4) {
        forget(atoi(words[2]), atoi(words[3]));
    } else if (!strcmp(verb, "detach") && count == 4) {
        int domain = atoi(words[2]), number = atoi(words[3]);
        for (int i = 0; i < number; i++) {
            long long before = now();
            end(begin_link(RTM_DELLINK, NLM_F_ACK, (struct ifinfomsg){.ifi_index = FIRST_INDEX + domain + i}));
            commit(links, sequence);
            filter(filters, domain + i, 1, 0);
            printf("%lld\n", now() - before);
        }
    } else if (!strcmp(verb, "regroup") && count == 5) {
        int domain = atoi(words[3]), number = atoi(words[4]);
        long long before = now();
        regroup(strtoul(words[2], NULL, 0), domain, number);
        forget(domain, number);
        printf("%lld\n", now() - before);
    } else if (!strcmp(verb, "encode") && count == 4) {
        encoding_only = 1;
        bridge = 5, group = 1679688299, guests = 7;
        for (int i = 0; i < atoi(words[3]); i++) {
            if (!strcmp(words[2], "filter")) {
                filter(filters, i, 1, 1);
                continue;
            }
            attach(i, 1, 0);
            finish(vif(i), FIRST_INDEX + i, i, OPEN, 1);
            commit(links, sequence);
        }
    } else {
        fprintf(stderr, "floor: see the head of floor.c for its arguments\n");
        return 2;
    }
    return 0;
}
