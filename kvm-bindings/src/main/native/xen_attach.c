/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "xen_attach.h"
#include "xen_attach_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_MEMORIES 64
#define MAX_OWN_MAPS 1088
#define MAX_ROUTES 4096 /* KVM's own limit */
#define MAX_SERVICE_ROUTES 1024
#define IOAPIC_PINS 24
#define ISA_IRQS 16
#define MAX_FILTER_RANGES 16 /* KVM_MSR_FILTER_MAX_RANGES */
#define MAX_WAITING 64

/* Shutdown reasons of Xen's sched.h. */
#define REASON_REBOOT 1
#define REASON_CRASH 3

struct packet {
    uint8_t data[XA_MAX_BYTES];
    size_t bytes;
    int fds[XA_MAX_DESCRIPTORS];
    int nr_fds;
};

struct vcpu {
    int fd;
    uint32_t number;
    struct kvm_run *run;
    size_t run_bytes;
    struct xa_exchange *exchange;
    pthread_t thread;
    atomic_bool has_thread;
};

struct waiting {
    bool used, done;
    uint32_t tag;
    struct packet *answer;
};

struct own_map {
    uint64_t address, bytes;
};

enum state { NEW, STARTING, RUNNING };

struct xen_attach {
    struct xen_attach_options options;
    int vm, socket;
    pthread_t control;

    pthread_mutex_t sending;

    /* What follows; never held while waiting for the service. */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    enum state state;
    bool lost; /* the connection */
    uint32_t next_tag;
    struct waiting waiting[MAX_WAITING];
    struct vcpu vcpus[XA_MAX_VCPUS];
    uint32_t nr_vcpus;
    struct xa_ram ram;
    int ram_fd;
    uint64_t ram_bytes; /* with the spare ones */
    struct {
        bool used;
        uint32_t number;
        int fd;
        uint64_t bytes;
    } memories[MAX_MEMORIES];
    struct own_map own[MAX_OWN_MAPS];
    struct kvm_irq_routing *vmm_routes;
    struct kvm_irq_routing_entry service_routes[MAX_SERVICE_ROUTES];
    uint32_t nr_service_routes;
    struct kvm_msr_filter vmm_filter;
    uint8_t *vmm_bitmaps[MAX_FILTER_RANGES];
    struct xa_claim claim;

    /* A reason and one, since 0 is a power-off. */
    atomic_uint ended;
};

static int kvm(struct xen_attach *a, int fd, unsigned long request, void *argument)
{
    int result = a->options.ioctl(fd, request, argument);

    return result < 0 ? -errno : result;
}

/* --- messages --- */

static int send_packet(struct xen_attach *a, const struct iovec *parts, int nr_parts, const int *fds, int nr_fds)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(XA_MAX_DESCRIPTORS * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = nr_parts};
    ssize_t sent;

    if (nr_fds > 0) {
        struct cmsghdr *head;

        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
        memcpy(CMSG_DATA(head), fds, nr_fds * sizeof(int));
    }
    pthread_mutex_lock(&a->sending);
    do
        sent = sendmsg(a->socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    pthread_mutex_unlock(&a->sending);
    return sent < 0 ? -errno : 0;
}

static void close_fds(struct packet *p)
{
    for (int i = 0; i < p->nr_fds; i++)
        if (p->fds[i] >= 0)
            close(p->fds[i]);
    p->nr_fds = 0;
}

/* 1 for a message, 0 for the end, or a negated errno. */
static int receive_packet(int socket, struct packet *p)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(XA_MAX_DESCRIPTORS * sizeof(int))];
    } control;
    struct iovec part = {p->data, sizeof(p->data)};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)};
    ssize_t got;

    do
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    p->nr_fds = 0;
    if (got <= 0)
        return got < 0 ? -errno : 0;
    p->bytes = got;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
        int count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        for (int i = 0; i < count && p->nr_fds < XA_MAX_DESCRIPTORS; i++)
            memcpy(&p->fds[p->nr_fds++], CMSG_DATA(head) + i * sizeof(int), sizeof(int));
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || p->bytes < sizeof(struct xa_header)) {
        close_fds(p);
        return -EPROTO;
    }
    return 1;
}

static int answer(struct xen_attach *a, uint32_t tag, int result, uint64_t value, const void *data, size_t bytes)
{
    struct xa_result r = {.header = {.type = XA_RESULT, .tag = tag}, .result = result, .bytes = bytes, .value = value};
    struct iovec parts[] = {{&r, sizeof(r)}, {(void *)data, bytes}};

    return send_packet(a, parts, bytes ? 2 : 1, NULL, 0);
}

/*
 * Sends a request and waits for its answer. `head` begins with a header, of which the type is set. The answer's packet is
 * freed by the caller; its result is returned.
 */
static int ask(struct xen_attach *a, void *head, size_t head_bytes, const void *tail, size_t tail_bytes, int fd,
               struct packet **answered)
{
    struct packet *p = malloc(sizeof(*p));
    struct waiting *w = NULL;
    struct iovec parts[] = {{head, head_bytes}, {(void *)tail, tail_bytes}};
    int result;

    if (!p)
        return -ENOMEM;
    pthread_mutex_lock(&a->lock);
    for (int i = 0; i < MAX_WAITING && !w; i++)
        if (!a->waiting[i].used)
            w = &a->waiting[i];
    if (!w || a->lost) {
        pthread_mutex_unlock(&a->lock);
        free(p);
        return w ? -EPIPE : -EBUSY;
    }
    *w = (struct waiting){.used = true, .tag = ++a->next_tag, .answer = p};
    ((struct xa_header *)head)->tag = w->tag;
    pthread_mutex_unlock(&a->lock);

    result = send_packet(a, parts, tail_bytes ? 2 : 1, &fd, fd >= 0);

    pthread_mutex_lock(&a->lock);
    while (!result && !w->done && !a->lost)
        pthread_cond_wait(&a->answered, &a->lock);
    if (!result && !w->done)
        result = -EPIPE;
    w->used = false;
    pthread_mutex_unlock(&a->lock);

    if (!result)
        result = ((struct xa_result *)p->data)->result;
    else
        p->nr_fds = 0;
    if (result < 0 || !answered) {
        close_fds(p);
        free(p);
    } else {
        *answered = p;
    }
    return result;
}

/* Gives an answer to the one who waits for it. */
static int take_answer(struct xen_attach *a, struct packet *p)
{
    const struct xa_result *r = (const void *)p->data;
    int result = -EPROTO;

    if (p->bytes < sizeof(*r) || r->bytes != p->bytes - sizeof(*r))
        return -EPROTO;
    pthread_mutex_lock(&a->lock);
    for (int i = 0; i < MAX_WAITING; i++) {
        struct waiting *w = &a->waiting[i];

        if (w->used && !w->done && w->tag == r->header.tag) {
            memcpy(w->answer->data, p->data, p->bytes);
            w->answer->bytes = p->bytes;
            memcpy(w->answer->fds, p->fds, sizeof(p->fds));
            w->answer->nr_fds = p->nr_fds;
            p->nr_fds = 0;
            w->done = true;
            result = 0;
            break;
        }
    }
    pthread_cond_broadcast(&a->answered);
    pthread_mutex_unlock(&a->lock);
    return result;
}

/* --- the service's calls --- */

/* Puts addresses and descriptors into the structure. The bytes are a copy of ours. */
static int link_call(const struct xa_call *call, uint8_t *data, const int *fds, int nr_fds)
{
    if (call->links > XA_MAX_LINKS)
        return -EPROTO;
    for (uint32_t i = 0; i < call->links; i++) {
        const struct xa_link *l = &call->link[i];

        if (l->kind == XA_ADDRESS) {
            uint64_t address = 0;

            if (l->at > call->bytes || call->bytes - l->at < sizeof(address) || l->target > call->bytes ||
                call->bytes - l->target < l->bytes)
                return -EPROTO;
            if (l->target)
                address = (uint64_t)(uintptr_t)(data + l->target);
            memcpy(data + l->at, &address, sizeof(address));
        } else {
            if (l->at > call->bytes || call->bytes - l->at < sizeof(int) || l->target >= (uint32_t)nr_fds)
                return -EPROTO;
            memcpy(data + l->at, &fds[l->target], sizeof(int));
        }
    }
    return 0;
}

static int carry_out(struct xen_attach *a, int fd, const struct xa_call *call, uint8_t *data, const int *fds,
                     int nr_fds)
{
    int result = link_call(call, data, fds, nr_fds);

    if (result < 0)
        return result;
    return kvm(a, fd, call->request, call->kind == XA_VALUE ? (void *)(uintptr_t)call->value : data);
}

static void on_ioctl(struct xen_attach *a, struct packet *p)
{
    struct xa_ioctl *m = (void *)p->data;
    uint8_t *data = p->data + sizeof(*m);
    int fd = a->vm;

    if (m->vcpu != XA_VM) {
        pthread_mutex_lock(&a->lock);
        fd = m->vcpu >= 0 && (uint32_t)m->vcpu < a->nr_vcpus && a->state != RUNNING ? a->vcpus[m->vcpu].fd : -1;
        pthread_mutex_unlock(&a->lock);
    }
    if (fd < 0 || m->call.bytes != p->bytes - sizeof(*m)) {
        answer(a, m->header.tag, fd < 0 ? -EBUSY : -EPROTO, 0, NULL, 0);
        return;
    }
    answer(a, m->header.tag, carry_out(a, fd, &m->call, data, p->fds, p->nr_fds), 0, data, m->call.bytes);
}

static void on_memory(struct xen_attach *a, struct packet *p)
{
    const struct xa_memory *m = (const void *)p->data;
    int result = -ENOSPC;

    if (p->nr_fds != 1) {
        answer(a, m->header.tag, -EPROTO, 0, NULL, 0);
        return;
    }
    for (int i = 0; i < MAX_MEMORIES && result; i++) {
        if (!a->memories[i].used) {
            a->memories[i].used = true;
            a->memories[i].number = m->memory;
            a->memories[i].fd = p->fds[0];
            a->memories[i].bytes = m->bytes;
            p->nr_fds = 0;
            result = 0;
        }
    }
    answer(a, m->header.tag, result, 0, NULL, 0);
}

static void on_forget(struct xen_attach *a, const struct xa_forget *m)
{
    int result = -ENOENT;

    for (int i = 0; i < MAX_MEMORIES; i++) {
        if (a->memories[i].used && a->memories[i].number == m->memory) {
            close(a->memories[i].fd);
            a->memories[i].used = false;
            result = 0;
        }
    }
    answer(a, m->header.tag, result, 0, NULL, 0);
}

static bool within(uint64_t from, uint64_t bytes, uint64_t start, uint64_t length)
{
    return from >= start && bytes <= length && from - start <= length - bytes;
}

/* Where a part of the guest's memory is in its file, or -1. */
static int64_t ram_offset(const struct xen_attach *a, uint64_t address, uint64_t bytes)
{
    for (uint32_t i = 0; i < a->ram.ranges; i++) {
        const struct xa_ram_range *r = &a->ram.range[i];

        if (within(address, bytes, r->address, r->bytes))
            return r->offset + (address - r->address);
    }
    return -1;
}

/* Whether this is a part of what the service may map over. */
static bool may_map(const struct xen_attach *a, uint64_t address, uint64_t bytes)
{
    for (int i = 0; i < MAX_OWN_MAPS; i++)
        if (a->own[i].bytes && within(address, bytes, a->own[i].address, a->own[i].bytes))
            return true;
    return ram_offset(a, address, bytes) >= 0;
}

static int map(struct xen_attach *a, const struct xa_map *m, uint64_t *address)
{
    int protection = m->flags & XA_MAP_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
    int fd = -1, own = -1;
    void *at;

    if (m->flags & XA_MAP_RAM) {
        fd = within(m->offset, m->bytes, 0, a->ram_bytes) ? a->ram_fd : -1;
    } else {
        for (int i = 0; i < MAX_MEMORIES; i++)
            if (a->memories[i].used && a->memories[i].number == m->memory &&
                within(m->offset, m->bytes, 0, a->memories[i].bytes))
                fd = a->memories[i].fd;
    }
    if (fd < 0 || !m->bytes)
        return -ENOENT;
    if (m->address) {
        if (!may_map(a, m->address, m->bytes))
            return -EACCES;
    } else {
        for (int i = 0; i < MAX_OWN_MAPS && own < 0; i++)
            if (!a->own[i].bytes)
                own = i;
        if (own < 0)
            return -ENOSPC;
    }
    at = mmap((void *)(uintptr_t)m->address, m->bytes, protection, MAP_SHARED | (m->address ? MAP_FIXED : 0), fd,
              m->offset);
    if (at == MAP_FAILED)
        return -errno;
    if (own >= 0)
        a->own[own] = (struct own_map){(uint64_t)(uintptr_t)at, m->bytes};
    *address = (uint64_t)(uintptr_t)at;
    return 0;
}

static void on_unmap(struct xen_attach *a, const struct xa_unmap *m)
{
    int result = -ENOENT;

    for (int i = 0; i < MAX_OWN_MAPS; i++) {
        if (a->own[i].bytes && a->own[i].address == m->address && a->own[i].bytes == m->bytes) {
            result = munmap((void *)(uintptr_t)m->address, m->bytes) ? -errno : 0;
            a->own[i].bytes = 0;
            break;
        }
    }
    answer(a, m->header.tag, result, 0, NULL, 0);
}

/* The routes that KVM has after KVM_CREATE_IRQCHIP: each pin has the GSI of its number. */
static void default_routes(struct kvm_irq_routing_entry *entries)
{
    uint32_t count = 0;

    for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++)
        entries[count++] = (struct kvm_irq_routing_entry){
            .gsi = pin, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {KVM_IRQCHIP_IOAPIC, pin}};
    for (uint32_t irq = 0; irq < ISA_IRQS; irq++)
        entries[count++] = (struct kvm_irq_routing_entry){
            .gsi = irq,
            .type = KVM_IRQ_ROUTING_IRQCHIP,
            .u.irqchip = {irq < ISA_IRQS / 2 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, irq % (ISA_IRQS / 2)}};
}

/* Gives KVM the VMM's routes and the service's. Under the lock, so that the last one wins. */
static int set_routes(struct xen_attach *a)
{
    uint32_t of_vmm = a->vmm_routes ? a->vmm_routes->nr : IOAPIC_PINS + ISA_IRQS;
    uint32_t all = of_vmm + a->nr_service_routes;
    struct kvm_irq_routing *both = calloc(1, sizeof(*both) + all * sizeof(both->entries[0]));
    int result;

    if (!both)
        return -ENOMEM;
    both->nr = all;
    if (a->vmm_routes)
        memcpy(both->entries, a->vmm_routes->entries, of_vmm * sizeof(both->entries[0]));
    else
        default_routes(both->entries);
    memcpy(both->entries + of_vmm, a->service_routes, a->nr_service_routes * sizeof(both->entries[0]));
    result = kvm(a, a->vm, KVM_SET_GSI_ROUTING, both);
    free(both);
    return result;
}

static void on_routes(struct xen_attach *a, const struct packet *p)
{
    const struct xa_routes *m = (const void *)p->data;
    int result = -EPROTO;

    pthread_mutex_lock(&a->lock);
    if (m->count <= MAX_SERVICE_ROUTES && p->bytes - sizeof(*m) == m->count * sizeof(a->service_routes[0])) {
        memcpy(a->service_routes, p->data + sizeof(*m), p->bytes - sizeof(*m));
        a->nr_service_routes = m->count;
        result = set_routes(a);
    }
    pthread_mutex_unlock(&a->lock);
    answer(a, m->header.tag, result, 0, NULL, 0);
}

/* Lets the guest's uses of the claimed MSRs exit, beside what the VMM filters. Under the lock. */
static int set_filter(struct xen_attach *a)
{
    static uint8_t none[XA_MAX_BYTES / 8];
    struct kvm_msr_filter both = a->vmm_filter;
    uint32_t at = 0;

    while (at < MAX_FILTER_RANGES && both.ranges[at].nmsrs) {
        both.ranges[at].bitmap = a->vmm_bitmaps[at];
        at++;
    }
    for (uint32_t i = 0; i < a->claim.msrs; i++, at++) {
        if (at == MAX_FILTER_RANGES)
            return -ENOSPC;
        both.ranges[at] = (struct kvm_msr_filter_range){
            .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
            .nmsrs = a->claim.msr[i].count,
            .base = a->claim.msr[i].first,
            .bitmap = none,
        };
    }
    return kvm(a, a->vm, KVM_X86_SET_MSR_FILTER, &both);
}

static void on_claim(struct xen_attach *a, const struct xa_claim *m)
{
    struct kvm_enable_cap cap = {.cap = KVM_CAP_X86_USER_SPACE_MSR};
    int result = -EPROTO;

    if (m->ports <= XA_MAX_RANGES && m->msrs <= XA_MAX_RANGES) {
        result = 0;
        for (uint32_t i = 0; i < m->msrs; i++)
            if (!m->msr[i].count || m->msr[i].count > XA_MAX_BYTES)
                result = -EPROTO;
    }
    if (!result) {
        pthread_mutex_lock(&a->lock);
        a->claim = *m;
        cap.args[0] = KVM_MSR_EXIT_REASON_FILTER;
        result = m->msrs ? kvm(a, a->vm, KVM_ENABLE_CAP, &cap) : 0;
        if (!result)
            result = set_filter(a);
        pthread_mutex_unlock(&a->lock);
    }
    answer(a, m->header.tag, result, 0, NULL, 0);
}

static void wake_all(struct xen_attach *a);

/* Makes a vCPU's thread leave the guest. `kicked` is set. */
static void interrupt(struct xen_attach *a, struct vcpu *v)
{
    __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    if (atomic_load(&v->has_thread))
        pthread_kill(v->thread, a->options.signal);
}

static void on_end(struct xen_attach *a, const struct xa_end *m)
{
    unsigned none = 0;

    atomic_compare_exchange_strong(&a->ended, &none, m->reason + 1);
    wake_all(a);
}

/* Whether the message is as long as its type wants; -1 if it is of no known one. */
static int is_whole(const struct packet *p)
{
    switch (((const struct xa_header *)p->data)->type) {
    case XA_IOCTL:
        return p->bytes >= sizeof(struct xa_ioctl);
    case XA_MEMORY:
        return p->bytes == sizeof(struct xa_memory);
    case XA_FORGET:
        return p->bytes == sizeof(struct xa_forget);
    case XA_MAP:
        return p->bytes == sizeof(struct xa_map);
    case XA_UNMAP:
        return p->bytes == sizeof(struct xa_unmap);
    case XA_ROUTES:
        return p->bytes >= sizeof(struct xa_routes);
    case XA_CLAIM:
        return p->bytes == sizeof(struct xa_claim);
    case XA_UNPLUG:
        return p->bytes == sizeof(struct xa_unplug);
    case XA_KICK:
        return p->bytes == sizeof(struct xa_kick);
    case XA_END:
        return p->bytes == sizeof(struct xa_end);
    case XA_RESULT:
        return p->bytes >= sizeof(struct xa_result);
    default:
        return -1;
    }
}

static int serve(struct xen_attach *a, struct packet *p)
{
    uint64_t address = 0;
    int whole = is_whole(p), result;

    if (whole <= 0)
        return -EPROTO;
    switch (((const struct xa_header *)p->data)->type) {
    case XA_RESULT:
        return take_answer(a, p);
    case XA_IOCTL:
        on_ioctl(a, p);
        break;
    case XA_MEMORY:
        on_memory(a, p);
        break;
    case XA_FORGET:
        on_forget(a, (const void *)p->data);
        break;
    case XA_MAP:
        result = map(a, (const void *)p->data, &address);
        answer(a, ((const struct xa_header *)p->data)->tag, result, address, NULL, 0);
        break;
    case XA_UNMAP:
        on_unmap(a, (const void *)p->data);
        break;
    case XA_ROUTES:
        on_routes(a, p);
        break;
    case XA_CLAIM:
        on_claim(a, (const void *)p->data);
        break;
    case XA_UNPLUG: {
        const struct xa_unplug *m = (const void *)p->data;

        if (a->options.unplug)
            a->options.unplug(a->options.context, m->mask);
        answer(a, m->header.tag, 0, 0, NULL, 0);
        break;
    }
    case XA_KICK: {
        const struct xa_kick *m = (const void *)p->data;

        pthread_mutex_lock(&a->lock);
        if (m->vcpu < a->nr_vcpus)
            interrupt(a, &a->vcpus[m->vcpu]);
        pthread_mutex_unlock(&a->lock);
        break;
    }
    case XA_END:
        on_end(a, (const void *)p->data);
        break;
    }
    return 0;
}

static void *control_thread(void *context)
{
    struct xen_attach *a = context;
    struct packet *p = malloc(sizeof(*p));

    while (p && receive_packet(a->socket, p) > 0) {
        int result = serve(a, p);

        close_fds(p);
        if (result < 0)
            break;
    }
    free(p);
    shutdown(a->socket, SHUT_RDWR);
    pthread_mutex_lock(&a->lock);
    a->lost = true;
    pthread_cond_broadcast(&a->answered);
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* --- the exchange --- */

static void futex_wait(uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint32_t turn(struct xa_exchange *x)
{
    return __atomic_load_n(&x->turn, __ATOMIC_ACQUIRE);
}

static void give_turn(struct xa_exchange *x)
{
    __atomic_store_n(&x->turn, XA_TURN_SERVICE, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&x->service_sleeps, __ATOMIC_SEQ_CST))
        futex_wake(&x->turn);
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

/* Waits until the turn is not the service's. Gives up only when the domain has ended. */
static uint32_t await_turn(struct xen_attach *a, struct xa_exchange *x)
{
    uint32_t spin = __atomic_load_n(&x->spin_us, __ATOMIC_RELAXED);
    uint64_t until = spin ? now_us() + spin : 0;
    uint32_t t;

    while ((t = turn(x)) == XA_TURN_SERVICE && !atomic_load(&a->ended)) {
        if (until && now_us() < until) {
            __builtin_ia32_pause();
            continue;
        }
        until = 0;
        __atomic_store_n(&x->vmm_sleeps, 1, __ATOMIC_SEQ_CST);
        if (turn(x) == XA_TURN_SERVICE && !atomic_load(&a->ended))
            futex_wait(&x->turn, XA_TURN_SERVICE);
        __atomic_store_n(&x->vmm_sleeps, 0, __ATOMIC_RELAXED);
    }
    return t;
}

/* Carries out a call of the service on the thread of the vCPU. The structure of the call is copied once. */
static void call_here(struct xen_attach *a, struct vcpu *v)
{
    struct xa_exchange *x = v->exchange;
    struct xa_call call = x->call;

    if (call.bytes > XA_EXCHANGE_BYTES - XA_EXCHANGE_DATA)
        x->result = -EPROTO;
    else
        x->result = carry_out(a, v->fd, &call, (uint8_t *)x + XA_EXCHANGE_DATA, NULL, 0);
}

static void hand_over(struct xen_attach *a, struct vcpu *v, uint32_t event)
{
    struct xa_exchange *x = v->exchange;

    x->event = event;
    give_turn(x);
    while (await_turn(a, x) == XA_TURN_CALL) {
        call_here(a, v);
        give_turn(x);
    }
}

static void wake_all(struct xen_attach *a)
{
    pthread_mutex_lock(&a->lock);
    for (uint32_t i = 0; i < a->nr_vcpus; i++) {
        interrupt(a, &a->vcpus[i]);
        futex_wake(&a->vcpus[i].exchange->turn);
    }
    pthread_mutex_unlock(&a->lock);
}

/* --- running a vCPU --- */

static bool in_ranges(const struct xa_range *ranges, uint32_t count, uint32_t number)
{
    for (uint32_t i = 0; i < count; i++)
        if (number - ranges[i].first < ranges[i].count)
            return true;
    return false;
}

static bool is_services(const struct xen_attach *a, const struct kvm_run *run)
{
    switch (run->exit_reason) {
    case KVM_EXIT_XEN:
        return true;
    case KVM_EXIT_IO:
        return in_ranges(a->claim.port, a->claim.ports, run->io.port);
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
        return in_ranges(a->claim.msr, a->claim.msrs, run->msr.index);
    default:
        return false;
    }
}

static struct vcpu *find_vcpu(struct xen_attach *a, int fd)
{
    for (uint32_t i = 0; i < a->nr_vcpus; i++)
        if (a->vcpus[i].fd == fd)
            return &a->vcpus[i];
    return NULL;
}

struct kvm_run *xen_attach_kvm_run(struct xen_attach *a, int fd)
{
    struct vcpu *v = find_vcpu(a, fd);

    return v ? v->run : NULL;
}

static int start(struct xen_attach *a)
{
    struct xa_plain m = {.header = {.type = XA_START}};
    int result;

    pthread_mutex_lock(&a->lock);
    while (a->state == STARTING && !a->lost)
        pthread_cond_wait(&a->answered, &a->lock);
    if (a->state == RUNNING || a->lost) {
        result = a->lost ? -EPIPE : 0;
        pthread_mutex_unlock(&a->lock);
        return result;
    }
    a->state = STARTING;
    pthread_mutex_unlock(&a->lock);

    result = ask(a, &m, sizeof(m), NULL, 0, -1, NULL);

    pthread_mutex_lock(&a->lock);
    a->state = result < 0 ? NEW : RUNNING;
    pthread_cond_broadcast(&a->answered);
    pthread_mutex_unlock(&a->lock);
    return result;
}

/* What KVM would say of a machine that has ended. */
static int report_end(struct xen_attach *a, struct vcpu *v)
{
    uint32_t reason = atomic_load(&a->ended) - 1;

    memset(&v->run->system_event, 0, sizeof(v->run->system_event));
    v->run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
    v->run->system_event.type = reason == REASON_REBOOT  ? KVM_SYSTEM_EVENT_RESET
                                : reason == REASON_CRASH ? KVM_SYSTEM_EVENT_CRASH
                                                         : KVM_SYSTEM_EVENT_SHUTDOWN;
    return 0;
}

int xen_attach_run(struct xen_attach *a, int fd)
{
    struct vcpu *v = find_vcpu(a, fd);
    struct xa_exchange *x;
    int result;

    if (!v)
        return -EBADF;
    x = v->exchange;
    if (!atomic_load(&v->has_thread)) {
        v->thread = pthread_self();
        atomic_store(&v->has_thread, true);
    }
    if (a->state != RUNNING && (result = start(a)) < 0)
        return result;
    for (;;) {
        if (__atomic_load_n(&x->kicked, __ATOMIC_SEQ_CST) && !atomic_load(&a->ended))
            hand_over(a, v, XA_EVENT_KICKED);
        if (atomic_load(&a->ended))
            return report_end(a, v);
        result = kvm(a, fd, KVM_RUN, NULL);
        if (result == -EINTR) {
            if (__atomic_load_n(&x->kicked, __ATOMIC_SEQ_CST) && !atomic_load(&a->ended))
                hand_over(a, v, XA_EVENT_KICKED);
            /* The VMM may have wanted it too. */
            return atomic_load(&a->ended) ? report_end(a, v) : -EINTR;
        }
        if (result == -EFAULT) {
            hand_over(a, v, XA_EVENT_FAULT);
            continue;
        }
        if (result < 0 || !is_services(a, v->run))
            return result;
        hand_over(a, v, XA_EVENT_EXIT);
    }
}

/* --- what the VMM tells --- */

int xen_attach_memory(struct xen_attach *a, int fd, const struct xen_attach_ram *ranges, unsigned count)
{
    struct xa_ram m = {.header = {.type = XA_RAM}, .ranges = count};
    uint64_t bytes = XA_SPARE_BYTES;

    if (count < 1 || count > XA_MAX_RAM_RANGES)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        m.range[i].guest_address = ranges[i].guest_address;
        m.range[i].bytes = ranges[i].bytes;
        m.range[i].address = ranges[i].address;
        m.range[i].offset = ranges[i].offset;
        bytes += ranges[i].bytes;
    }
    if (a->ram_fd >= 0)
        return -EEXIST;
    a->ram_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (a->ram_fd < 0)
        return -errno;
    a->ram = m;
    a->ram_bytes = bytes;
    return ask(a, &m, sizeof(m), NULL, 0, fd, NULL);
}

int xen_attach_vcpu(struct xen_attach *a, int fd, uint32_t apic_id, struct kvm_run *run, size_t run_bytes)
{
    struct xa_vcpu m = {.header = {.type = XA_VCPU}, .apic_id = apic_id, .run_bytes = run_bytes};
    struct packet *answered;
    struct xa_exchange *x = MAP_FAILED;
    struct vcpu *v;
    int result;

    pthread_mutex_lock(&a->lock);
    m.vcpu = a->nr_vcpus;
    pthread_mutex_unlock(&a->lock);
    if (m.vcpu == XA_MAX_VCPUS)
        return -ENOSPC;
    result = ask(a, &m, sizeof(m), NULL, 0, fd, &answered);
    if (result < 0)
        return result;
    if (answered->nr_fds == 1)
        x = mmap(NULL, XA_EXCHANGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, answered->fds[0], 0);
    close_fds(answered);
    free(answered);
    if (x == MAP_FAILED)
        return -EPROTO;
    pthread_mutex_lock(&a->lock);
    v = &a->vcpus[a->nr_vcpus];
    v->fd = fd;
    v->number = m.vcpu;
    v->run = run;
    v->run_bytes = run_bytes;
    v->exchange = x;
    a->nr_vcpus++;
    pthread_mutex_unlock(&a->lock);
    return 0;
}

int xen_attach_routing(struct xen_attach *a, const struct kvm_irq_routing *routing)
{
    size_t bytes = sizeof(*routing) + routing->nr * sizeof(routing->entries[0]);
    struct kvm_irq_routing *copy;
    int result;

    if (routing->nr > MAX_ROUTES)
        return -EINVAL;
    copy = malloc(bytes);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, routing, bytes);
    pthread_mutex_lock(&a->lock);
    free(a->vmm_routes);
    a->vmm_routes = copy;
    result = set_routes(a);
    pthread_mutex_unlock(&a->lock);
    return result;
}

int xen_attach_msr_filter(struct xen_attach *a, const struct kvm_msr_filter *filter)
{
    int result = 0;

    pthread_mutex_lock(&a->lock);
    a->vmm_filter = *filter;
    for (int i = 0; i < MAX_FILTER_RANGES; i++) {
        size_t bytes = (filter->ranges[i].nmsrs + 7) / 8;

        free(a->vmm_bitmaps[i]);
        a->vmm_bitmaps[i] = NULL;
        if (!filter->ranges[i].nmsrs)
            continue;
        a->vmm_bitmaps[i] = malloc(bytes);
        if (a->vmm_bitmaps[i])
            memcpy(a->vmm_bitmaps[i], filter->ranges[i].bitmap, bytes);
        else
            result = -ENOMEM;
    }
    if (!result)
        result = set_filter(a);
    pthread_mutex_unlock(&a->lock);
    return result;
}

int xen_attach_reset(struct xen_attach *a)
{
    struct xa_plain m = {.header = {.type = XA_RESET}};
    int result;

    atomic_store(&a->ended, 0);
    pthread_mutex_lock(&a->lock);
    a->state = NEW;
    pthread_mutex_unlock(&a->lock);
    result = ask(a, &m, sizeof(m), NULL, 0, -1, NULL);
    return result;
}

static void free_all(struct xen_attach *a)
{
    if (a->ram_fd >= 0)
        close(a->ram_fd);
    for (int i = 0; i < MAX_MEMORIES; i++)
        if (a->memories[i].used)
            close(a->memories[i].fd);
    for (int i = 0; i < MAX_FILTER_RANGES; i++)
        free(a->vmm_bitmaps[i]);
    for (uint32_t i = 0; i < a->nr_vcpus; i++)
        munmap(a->vcpus[i].exchange, XA_EXCHANGE_BYTES);
    free(a->vmm_routes);
    if (a->socket >= 0)
        close(a->socket);
    free(a);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        int result = -errno;

        close(fd);
        return result;
    }
    return fd;
}

/* The first message, sent and answered before there is a thread, so that a refusal's text can be kept. */
static int greet(struct xen_attach *a, char *message, size_t message_bytes)
{
    const char *settings = a->options.settings ? a->options.settings : "";
    struct xa_hello m = {
        .header = {.type = XA_HELLO, .tag = ++a->next_tag},
        .magic = XA_MAGIC,
        .version = XA_VERSION,
        .features = XA_FEATURES,
        .settings_bytes = strlen(settings),
    };
    struct iovec parts[] = {{&m, sizeof(m)}, {(void *)settings, m.settings_bytes}};
    struct packet *p = malloc(sizeof(*p));
    int result;

    if (!p)
        return -ENOMEM;
    result = send_packet(a, parts, m.settings_bytes ? 2 : 1, NULL, 0);
    if (!result)
        result = receive_packet(a->socket, p);
    if (result > 0) {
        const struct xa_result *r = (const void *)p->data;
        const struct xa_welcome *w = (const void *)(r + 1);

        close_fds(p);
        if (p->bytes < sizeof(*r) || r->header.type != XA_RESULT || r->bytes != p->bytes - sizeof(*r)) {
            result = -EPROTO;
        } else if (r->result < 0) {
            result = r->result;
            if (message_bytes) {
                size_t length = r->bytes < message_bytes - 1 ? r->bytes : message_bytes - 1;

                memcpy(message, r + 1, length);
                message[length] = 0;
            }
        } else {
            result = r->bytes == sizeof(*w) && w->version == XA_VERSION ? 0 : -EPROTO;
        }
    } else if (!result) {
        result = -ECONNRESET;
    }
    free(p);
    return result;
}

int xen_attach_open(const struct xen_attach_options *options, int vm, struct xen_attach **attach, char *message,
                    size_t message_bytes)
{
    struct xen_attach *a = calloc(1, sizeof(*a));
    int result;

    if (message_bytes)
        message[0] = 0;
    if (!a)
        return -ENOMEM;
    a->ram_fd = -1;
    a->options = *options;
    if (!a->options.ioctl)
        a->options.ioctl = ioctl;
    a->vm = vm;
    pthread_mutex_init(&a->sending, NULL);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->answered, NULL);
    a->socket = connect_to(options->socket);
    result = a->socket < 0 ? a->socket : greet(a, message, message_bytes);
    if (!result)
        result = -pthread_create(&a->control, NULL, control_thread, a);
    if (result < 0)
        free_all(a);
    else
        *attach = a;
    return result;
}

void xen_attach_close(struct xen_attach *a)
{
    shutdown(a->socket, SHUT_RDWR);
    pthread_join(a->control, NULL);
    free_all(a);
}
