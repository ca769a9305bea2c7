// The kernel's own headers, for the constants and structures that the Glibc module lacks.
// Do not define _GNU_SOURCE here: fd_set would differ from the Glibc module's and debug builds fail.
#pragma once

// First, so that the kernel's in6.h leaves in6_addr and sockaddr_in6 to the C library (linux/libc-compat.h);
// otherwise they differ from the Glibc module's.
#include <netinet/in.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if_link.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/fib_rules.h>
#include <linux/lwtunnel.h>
#include <linux/pkt_sched.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/veth.h>
#include <linux/sock_diag.h>
#include <linux/inet_diag.h>
#include <linux/packet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <linux/nsfs.h>
#include <linux/if_packet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/signalfd.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <malloc.h>

// Declared by hand: the C library hides these behind _GNU_SOURCE.
extern int setns(int fd, int type);
extern int unshare(int flags);
extern int gettid(void);
extern int pthread_setname_np(unsigned long thread, const char *name);

/// Credentials of a peer, as SO_PEERCRED returns them (unix(7)).
struct linux_ucred { int pid; unsigned int uid; unsigned int gid; };

enum { LINUX_CLONE_NEWNET = 0x40000000, LINUX_CLONE_NEWNS = 0x00020000 };
enum { LINUX_SO_PEERGROUPS = 59, LINUX_SO_NETNS_COOKIE = 71 };

// Declared by hand: their headers hide them, or clash with the Glibc module's.
extern int pidfd_open(int pid, unsigned int flags);
extern int pidfd_send_signal(int pidfd, int signal, void *info, unsigned int flags);
extern int memfd_create(const char *name, unsigned int flags);
extern int pipe2(int ends[2], int flags);
extern int posix_spawn_file_actions_addclosefrom_np(void *actions, int from);
extern int posix_spawn_file_actions_addchdir_np(void *actions, const char *path);
enum { LINUX_MFD_CLOEXEC = 1, LINUX_MFD_ALLOW_SEALING = 2 };
enum { LINUX_F_ADD_SEALS = 1033, LINUX_SEALS_ALL = 0xf };
enum { LINUX_O_PATH = 010000000 };
