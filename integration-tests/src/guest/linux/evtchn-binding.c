/* Every ioctl of /dev/xen/evtchn with its errors: those of Linux (drivers/xen/evtchn.c) and of Xen behind it. */
#include "check.h"
#include "evtchn.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define VIRQ_TIMER 0
#define VIRQ_DOM_EXC 3
#define NR_VIRQS 24
#define NO_SUCH_DOMAIN 77
#define FIRST_RESERVED_DOMAIN 0x7ff0
#define NO_SUCH_PORT 0x7fffffff

static void check_channels(unsigned int own_domain)
{
    int here = evtchn_open(), there = evtchn_open();
    long port = evtchn_bind_unbound(here, DOMID_SELF);
    long again;

    check("bind.unbound", port > 0, 1);
    check("bind.notify_without_remote", evtchn_notify(here, (unsigned int)port), 0);
    check("bind.notify_of_another_user", evtchn_notify(there, (unsigned int)port), -ENOTCONN);
    check("bind.unbind_of_another_user", evtchn_unbind(there, (unsigned int)port), -ENOTCONN);
    again = evtchn_bind_interdomain(there, own_domain, (unsigned int)port);
    check("bind.interdomain", again > 0 && again != port, 1);
    check("bind.interdomain_twice", evtchn_bind_interdomain(there, own_domain, (unsigned int)port), -EINVAL);
    check("bind.unbind", evtchn_unbind(there, (unsigned int)again), 0);
    check("bind.unbind_twice", evtchn_unbind(there, (unsigned int)again), -ENOTCONN);
    /* The other end is unbound again, for whom it was. */
    again = evtchn_bind_interdomain(there, DOMID_SELF, (unsigned int)port);
    check("bind.interdomain_again", again > 0, 1);
    close(there);
    there = evtchn_open();
    check("bind.interdomain_after_close", evtchn_bind_interdomain(there, DOMID_SELF, (unsigned int)port) > 0, 1);
    close(here);
    close(there);
}

static void check_errors(void)
{
    int device = evtchn_open();
    long for_host = evtchn_bind_unbound(device, 0);

    check("bind.unbound_for_host", for_host > 0, 1);
    check("bind.interdomain_to_port_of_host", evtchn_bind_interdomain(device, DOMID_SELF, (unsigned int)for_host), -EINVAL);
    check("bind.interdomain_no_domain", evtchn_bind_interdomain(device, NO_SUCH_DOMAIN, 1), -ESRCH);
    check("bind.interdomain_port_0", evtchn_bind_interdomain(device, DOMID_SELF, 0), -EINVAL);
    check("bind.interdomain_no_port", evtchn_bind_interdomain(device, DOMID_SELF, NO_SUCH_PORT), -EINVAL);
    check("bind.unbind_no_port", evtchn_unbind(device, NO_SUCH_PORT), -EINVAL);
    check("bind.notify_no_port", evtchn_notify(device, NO_SUCH_PORT), -ENOTCONN);
    check("bind.no_such_ioctl", ioctl(device, _IOC(_IOC_NONE, 'E', 99, 0)) < 0 ? -errno : 0, -ENOSYS);
    close(device);
}

static void check_virqs(void)
{
    int device = evtchn_open();
    long port = evtchn_bind_virq(device, VIRQ_DOM_EXC);

    /* Any domain may bind a global one; it is only never raised there. */
    check("virq.global", port > 0, 1);
    check("virq.twice", evtchn_bind_virq(device, VIRQ_DOM_EXC), -EEXIST);
    check("virq.unbind", evtchn_unbind(device, (unsigned int)port), 0);
    check("virq.again", evtchn_bind_virq(device, VIRQ_DOM_EXC) > 0, 1);
    check("virq.timer_is_the_kernels", evtchn_bind_virq(device, VIRQ_TIMER), -EEXIST);
    check("virq.last", evtchn_bind_virq(device, NR_VIRQS - 1) > 0, 1);
    check("virq.none", evtchn_bind_virq(device, NR_VIRQS), -EINVAL);
    close(device);
}

static void check_restriction(unsigned int own_domain)
{
    int here = evtchn_open(), there = evtchn_open();
    long port = evtchn_bind_unbound(here, own_domain);
    long before = evtchn_bind_unbound(there, DOMID_SELF);

    check("restrict.reserved", evtchn_restrict(there, FIRST_RESERVED_DOMAIN), -EINVAL);
    check("restrict.host", evtchn_restrict(there, 0), -EINVAL);
    check("restrict", evtchn_restrict(there, own_domain), 0);
    check("restrict.twice", evtchn_restrict(there, own_domain), -EACCES);
    check("restrict.bind_unbound", evtchn_bind_unbound(there, own_domain), -EACCES);
    check("restrict.bind_virq", evtchn_bind_virq(there, VIRQ_DOM_EXC), -EACCES);
    check("restrict.bind_elsewhere", evtchn_bind_interdomain(there, 0, 1), -EACCES);
    check("restrict.bind_there", evtchn_bind_interdomain(there, own_domain, (unsigned int)port) > 0, 1);
    check("restrict.notify_of_older", evtchn_notify(there, (unsigned int)before), 0);
    close(here);
    close(there);
}

void check_binding(unsigned int own_domain)
{
    check_channels(own_domain);
    check_errors();
    check_virqs();
    check_restriction(own_domain);
}
