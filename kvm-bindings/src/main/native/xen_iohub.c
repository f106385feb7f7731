/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "xen_iohub.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "xen_iohub_wire.h"

#define NONE (-1)

struct slot {
    pthread_mutex_t lock;
    int irqfd, resamplefd;
    unsigned int holders;
    struct xen_iohub_counts counts;
};

struct xen_iohub {
    int socket;
    uint32_t last_tag;
    struct slot slots[XI_PIRQS];
};

union message {
    struct xi_header header;
    struct xi_hello hello;
    struct xi_line line;
    struct xi_counts counts;
    struct xi_result result;
};

static void signal_irqfd(struct slot *slot)
{
    uint64_t one = 1;

    /* A full counter is signalled already. */
    while (slot->irqfd != NONE && write(slot->irqfd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* The caller has the lock. */
static void forget(struct slot *slot)
{
    if (slot->irqfd != NONE) {
        close(slot->irqfd);
        close(slot->resamplefd);
    }
    slot->irqfd = slot->resamplefd = NONE;
    memset(&slot->counts, 0, sizeof(slot->counts));
}

static void set_irqfd(struct slot *slot, int irqfd, int resamplefd)
{
    pthread_mutex_lock(&slot->lock);
    forget(slot);
    slot->irqfd = irqfd;
    slot->resamplefd = resamplefd;
    if (slot->holders) {
        slot->counts.raises++;
        signal_irqfd(slot);
    }
    pthread_mutex_unlock(&slot->lock);
}

static void drop(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    forget(slot);
    slot->holders = 0;
    pthread_mutex_unlock(&slot->lock);
}

void xen_iohub_raise(struct xen_iohub *hub, unsigned int pirq)
{
    struct slot *slot = &hub->slots[pirq];

    pthread_mutex_lock(&slot->lock);
    if (slot->holders++ == 0 && slot->irqfd != NONE) {
        slot->counts.raises++;
        signal_irqfd(slot);
    }
    pthread_mutex_unlock(&slot->lock);
}

void xen_iohub_lower(struct xen_iohub *hub, unsigned int pirq)
{
    struct slot *slot = &hub->slots[pirq];

    pthread_mutex_lock(&slot->lock);
    if (slot->holders)
        slot->holders--;
    pthread_mutex_unlock(&slot->lock);
}

void xen_iohub_count(struct xen_iohub *hub, unsigned int pirq, struct xen_iohub_counts *counts)
{
    struct slot *slot = &hub->slots[pirq];

    pthread_mutex_lock(&slot->lock);
    *counts = slot->counts;
    pthread_mutex_unlock(&slot->lock);
}

static void ended(struct slot *slot)
{
    uint64_t ends;

    pthread_mutex_lock(&slot->lock);
    if (slot->resamplefd != NONE && read(slot->resamplefd, &ends, sizeof(ends)) == sizeof(ends)) {
        slot->counts.ends += ends;
        if (slot->holders) {
            slot->counts.reraises++;
            signal_irqfd(slot);
        }
    }
    pthread_mutex_unlock(&slot->lock);
}

int xen_iohub_wait(struct xen_iohub *hub, int milliseconds)
{
    struct pollfd polled[XI_PIRQS + 1];
    int looked = 0, ready;

    /* Only this thread changes the descriptors. poll() passes over a negative one. */
    for (unsigned int i = 0; i < XI_PIRQS; i++)
        polled[i] = (struct pollfd){.fd = hub->slots[i].resamplefd, .events = POLLIN};
    polled[XI_PIRQS] = (struct pollfd){.fd = hub->socket, .events = POLLIN};
    ready = poll(polled, XI_PIRQS + 1, milliseconds);
    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    for (unsigned int i = 0; i < XI_PIRQS; i++) {
        if (polled[i].revents) {
            ended(&hub->slots[i]);
            looked++;
        }
    }
    /* The service says nothing but answers; so it has gone. */
    return looked ? looked : polled[XI_PIRQS].revents ? -EPIPE : 0;
}

static int send_message(struct xen_iohub *hub, const void *message, size_t bytes)
{
    ssize_t sent;

    do
        sent = send(hub->socket, message, bytes, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* Takes a message and the two descriptors of XI_SET_IRQFD, or none. */
static int receive_message(struct xen_iohub *hub, union message *message, int descriptors[XI_DESCRIPTORS])
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control;
    struct iovec data = {.iov_base = message, .iov_len = sizeof(*message)};
    struct msghdr header = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    int received[16], count = 0, expected = 0, result = 0;
    ssize_t bytes;

    do
        bytes = recvmsg(hub->socket, &header, MSG_CMSG_CLOEXEC);
    while (bytes < 0 && errno == EINTR);
    if (bytes <= 0)
        return bytes < 0 ? -errno : -EPIPE;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(received, CMSG_DATA(c), (size_t)count * sizeof(int));
        }
    }
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)bytes < sizeof(message->header))
        result = -EPROTO;
    else if (message->header.type == XI_SET_IRQFD && bytes == sizeof(message->line) && message->line.pirq < XI_PIRQS)
        expected = XI_DESCRIPTORS;
    else if (message->header.type != XI_RESULT || bytes != sizeof(message->result) || message->result.result > 0)
        result = -EPROTO;
    if (result == 0 && count != expected)
        result = -EPROTO;
    for (int i = 0; i < count; i++) {
        if (result < 0)
            close(received[i]);
        else
            descriptors[i] = received[i];
    }
    return result;
}

/* Sends a request, and serves the service until it has answered. */
static int ask(struct xen_iohub *hub, union message *request, uint16_t type, size_t bytes)
{
    uint32_t tag = ++hub->last_tag;
    int descriptors[XI_DESCRIPTORS], result;
    union message message;

    request->header.type = type;
    request->header.tag = tag;
    result = send_message(hub, request, bytes);
    while (result == 0) {
        result = receive_message(hub, &message, descriptors);
        if (result == 0 && message.header.type == XI_SET_IRQFD) {
            struct xi_result answer = {.header = {.type = XI_RESULT, .tag = message.header.tag}};

            set_irqfd(&hub->slots[message.line.pirq], descriptors[0], descriptors[1]);
            result = send_message(hub, &answer, sizeof(answer));
        } else if (result == 0) {
            return message.header.tag == tag ? message.result.result : -EPROTO;
        }
    }
    return result;
}

int xen_iohub_line(struct xen_iohub *hub, unsigned int pirq)
{
    union message request = {.line = {.pirq = pirq}};

    return pirq < XI_PIRQS ? ask(hub, &request, XI_CONNECT, sizeof(request.line)) : -EINVAL;
}

int xen_iohub_release(struct xen_iohub *hub, unsigned int pirq)
{
    union message request = {.line = {.pirq = pirq}};

    if (pirq >= XI_PIRQS)
        return -EINVAL;
    drop(&hub->slots[pirq]);
    return ask(hub, &request, XI_RELEASE, sizeof(request.line));
}

int xen_iohub_tell(struct xen_iohub *hub, unsigned int pirq)
{
    struct xen_iohub_counts counts;
    union message request;

    if (pirq >= XI_PIRQS)
        return -EINVAL;
    xen_iohub_count(hub, pirq, &counts);
    memset(&request, 0, sizeof(request));
    request.counts.pirq = pirq;
    request.counts.raises = counts.raises;
    request.counts.reraises = counts.reraises;
    return ask(hub, &request, XI_COUNTS, sizeof(request.counts));
}

struct xen_iohub *xen_iohub_connect(const char *path, uint32_t domid)
{
    union message hello = {.hello = {.magic = XI_MAGIC, .version = XI_VERSION, .features = XI_FEATURES, .domid = domid}};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct xen_iohub *hub;
    int result;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    strcpy(address.sun_path, path);
    hub = calloc(1, sizeof(*hub));
    if (!hub)
        return NULL;
    for (unsigned int i = 0; i < XI_PIRQS; i++) {
        pthread_mutex_init(&hub->slots[i].lock, NULL);
        hub->slots[i].irqfd = hub->slots[i].resamplefd = NONE;
    }
    hub->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    result = hub->socket < 0 || connect(hub->socket, (struct sockaddr *)&address, sizeof(address)) < 0
                 ? -errno
                 : ask(hub, &hello, XI_HELLO, sizeof(hello.hello));
    if (result < 0) {
        xen_iohub_close(hub);
        errno = -result;
        return NULL;
    }
    return hub;
}

void xen_iohub_close(struct xen_iohub *hub)
{
    if (hub->socket >= 0)
        close(hub->socket);
    for (unsigned int i = 0; i < XI_PIRQS; i++) {
        drop(&hub->slots[i]);
        pthread_mutex_destroy(&hub->slots[i].lock);
    }
    free(hub);
}
