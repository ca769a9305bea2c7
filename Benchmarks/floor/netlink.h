/* Netlink messages in one buffer, sent together and acknowledged once: as little as it takes. */
#ifndef FLOOR_NETLINK_H
#define FLOOR_NETLINK_H

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[1 << 22];
static size_t length;
static unsigned sequence;
static int encoding_only;  /* Nothing is sent: what it takes to encode is counted. */

static void fail(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int reach(int protocol) {
    int channel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), room = 8 << 20;
    if (channel < 0) fail("socket");
    setsockopt(channel, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    setsockopt(channel, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    return channel;
}

static struct nlmsghdr *begin(int type, int flags, const void *header, size_t size) {
    struct nlmsghdr *message = (void *)(buffer + length);
    memset(message, 0, NLMSG_LENGTH(0));
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    message->nlmsg_seq = ++sequence;
    memcpy(NLMSG_DATA(message), header, size);
    length += NLMSG_SPACE(size);
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

/* Sends what waits and reads the answer to `last`, or the first error. */
static void commit(int channel, unsigned last) {
    if (encoding_only) { length = 0; return; }
    if (send(channel, buffer, length, 0) != (ssize_t)length) fail("send");
    length = 0;
    static char answer[1 << 16];
    for (;;) {
        ssize_t size = recv(channel, answer, sizeof answer, 0);
        if (size < 0) fail("receive");
        struct nlmsghdr *message = (void *)answer;
        for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
            struct nlmsgerr *error = NLMSG_DATA(message);
            if (message->nlmsg_type != NLMSG_ERROR) continue;
            if (error->error) { errno = -error->error; fail("the kernel refused"); }
            if (message->nlmsg_seq == last) return;
        }
    }
}

#endif
