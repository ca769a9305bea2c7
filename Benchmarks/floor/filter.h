/* What a vif is in the filter: elements of the sets of filter.nft, and its name among the devices of the chain, in one
 * transaction. The same elements that Drawbridge adds for a vif with one IPv4 and one IPv6 address.
 */
#ifndef FLOOR_FILTER_H
#define FLOOR_FILTER_H

#include "netlink.h"
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

enum { REASONS = 12, NAME = 16, MOST_ELEMENTS = 60000, MOST_TOGETHER = 128 };

static const char table[] = "drawbridge";
static const unsigned char network[4] = {0x2c, 0xf4, 0x8d, 0x1f};

/* One vif, as the sets know it. */
struct guest {
    char name[NAME];
    unsigned char mac[6], ipv4[4], ipv6[16];
};

static struct guest guest_of(int domain) {
    struct guest guest = {.mac = {0, 0x16, 0x3e, domain >> 16, domain >> 8, domain},
                          .ipv4 = {10, domain >> 16, domain >> 8, domain},
                          .ipv6 = {0xfd, [13] = domain >> 16, [14] = domain >> 8, [15] = domain}};
    snprintf(guest.name, NAME, "vif%d.0", domain);
    return guest;
}

static void put_order(int type, unsigned number) { put_number(type, htonl(number)); }

static struct nlmsghdr *ask(int kind, int flags) {
    struct nfgenmsg header = {.nfgen_family = NFPROTO_NETDEV};
    struct nlmsghdr *message = begin(NFNL_SUBSYS_NFTABLES << 8 | kind, flags, &header, sizeof header);
    put_text(NFTA_CHAIN_TABLE, table);  /* The number of the table's attribute is the same everywhere. */
    return message;
}

static void bound(int type) {
    struct nfgenmsg header = {.res_id = htons(NFNL_SUBSYS_NFTABLES)};
    end(begin(type, 0, &header, sizeof header));
}

static void put_key(const void *key, size_t size) {
    struct rtattr *value = nest(NFTA_SET_ELEM_KEY);
    put(NFTA_DATA_VALUE, key, size);
    close_nest(value);
}

static void put_element(const void *key, size_t size, const void *data, size_t data_size) {
    struct rtattr *element = nest(NFTA_LIST_ELEM);
    put_key(key, size);
    if (data) {
        struct rtattr *value = nest(NFTA_SET_ELEM_DATA);
        put(NFTA_DATA_VALUE, data, data_size);
        close_nest(value);
    }
    close_nest(element);
}

static void put_filtered(const char *name) {
    struct rtattr *element = nest(NFTA_LIST_ELEM);
    put_key(name, NAME);
    struct rtattr *data = nest(NFTA_SET_ELEM_DATA), *verdict = nest(NFTA_DATA_VERDICT);
    put_order(NFTA_VERDICT_CODE, NFT_GOTO);
    put_text(NFTA_VERDICT_CHAIN, "filtered");
    close_nest(verdict);
    close_nest(data);
    close_nest(element);
}

/* The keys of a set are a part of the vif each, joined with its name or with the number of its network. */
static void put_joined(const void *first, size_t first_size, const void *second, size_t size) {
    unsigned char key[40] = {0};
    memcpy(key, first, first_size);
    memcpy(key + first_size, second, size);
    put_element(key, first_size + (size + 3) / 4 * 4, NULL, 0);
}

/* The vif, its hardware address and one of its addresses. */
static void put_speaker(const struct guest *guest, const void *address, size_t size) {
    unsigned char place[24] = {0};
    memcpy(place, guest->mac, 6);
    memcpy(place + 8, address, size);
    put_joined(guest->name, NAME, place, 8 + size);
}

static void put_in_set(const char *set, const struct guest *guest) {
    if (!strcmp(set, "senders")) put_joined(guest->name, NAME, guest->mac, 6);
    else if (!strcmp(set, "networks")) put_element(guest->name, NAME, network, sizeof network);
    else if (!strcmp(set, "ipv4-sources")) put_speaker(guest, guest->ipv4, 4);
    else if (!strcmp(set, "ipv6-sources")) put_speaker(guest, guest->ipv6, 16);
    else if (!strcmp(set, "ipv4-protected")) put_joined(network, 4, guest->ipv4, 4);
    else if (!strcmp(set, "ipv6-protected")) put_joined(network, 4, guest->ipv6, 16);
    else if (!strcmp(set, "modes")) put_filtered(guest->name);
    else if (!strcmp(set, "drops"))
        for (unsigned reason = 1; reason <= REASONS; reason++) put_joined(guest->name, NAME, &reason, 4);
    else put_element(guest->name, NAME, NULL, 0);
}

static void put_devices(const struct guest *guests, int count) {
    struct rtattr *hook = nest(NFTA_CHAIN_HOOK);
    put_order(NFTA_HOOK_HOOKNUM, 0);
    put_order(NFTA_HOOK_PRIORITY, (unsigned)-500);
    struct rtattr *devices = nest(NFTA_HOOK_DEVS);
    for (int i = 0; i < count; i++) put_text(NFTA_DEVICE_NAME, guests[i].name);
    close_nest(devices);
    close_nest(hook);
}

/* Lets vifs pass what is theirs, or takes them out of the filter: one transaction. */
static void filter(int channel, int domain, int count, int adding) {
    static const char *const sets[] = {"senders", "networks", "ipv4-sources", "ipv6-sources", "ipv4-protected",
                                       "ipv6-protected", "ipv4-clients", "ipv6-clients", "pinning", "drops", "modes"};
    static struct guest guests[MOST_TOGETHER];
    int flags = adding ? NLM_F_CREATE : 0;
    for (int i = 0; i < count; i++) guests[i] = guest_of(domain + i);
    bound(NFNL_MSG_BATCH_BEGIN);
    struct nlmsghdr *message;
    for (size_t set = 0; set < sizeof sets / sizeof *sets; set++)
        for (int i = 0; i < count;) {
            message = ask(adding ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, flags);
            put_text(NFTA_SET_ELEM_LIST_SET, sets[set]);
            struct rtattr *elements = nest(NFTA_SET_ELEM_LIST_ELEMENTS);
            size_t start = length;
            /* A list is one attribute, whose length has 16 bits. */
            while (i < count && length - start < MOST_ELEMENTS) put_in_set(sets[set], &guests[i++]);
            close_nest(elements);
            end(message);
        }
    message = ask(adding ? NFT_MSG_NEWCHAIN : NFT_MSG_DELCHAIN, flags | NLM_F_ACK);
    put_text(NFTA_CHAIN_NAME, "guests");
    put_devices(guests, count);
    if (adding) put_text(NFTA_CHAIN_TYPE, "filter");
    end(message);
    unsigned last = message->nlmsg_seq;
    bound(NFNL_MSG_BATCH_END);
    commit(channel, last);
}

#endif
