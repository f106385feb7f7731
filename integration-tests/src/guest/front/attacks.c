/* Attacks that are the same for all kinds of devices. */
#include "front.h"

#include "../runtime/grants.h"

#define FLOOD 200
#define ORDERS 20
#define STORM 3000

void comes_back(const struct served *served, const char *name)
{
    const char *kind = served->device.kind;
    int state = restart(&served->device);

    if (state == XenbusStateInitWait)
        state = served->connect();
    check(name_of(kind, name, "comes-back"), state, XenbusStateConnected);
    check(name_of(kind, name, "serves-again"), served->serves(), 0);
}

void stays_silent(const struct served *served, const char *name, int came)
{
    check(name_of(served->device.kind, name, 0), came, 0);
    comes_back(served, name);
}

void is_refused(const struct served *served, const char *name)
{
    check(name_of(served->device.kind, name, 0), served->connect(), XenbusStateClosing);
    check(name_of(served->device.kind, name, "nothing-is-in-use"), served->rings_in_use(), 0);
    check(name_of(served->device.kind, name, "closes"), restart(&served->device), XenbusStateInitWait);
}

/* Connects with another text of a node, or without it. */
static void refuse(const struct served *served, const char *name, const char *node, const char *text)
{
    const struct device *device = &served->device;

    if (skipped(name_of(device->kind, name, 0)))
        return;
    override_node(node, text);
    set_node(device, node, "");
    is_refused(served, name);
    override_node(0, 0);
    remove_node(device, node);
}

static void refuse_number(const struct served *served, const char *name, const char *node, uint32_t value)
{
    refuse(served, name, node, number_text(value));
}

/* Rings that are granted, but not so that this back end can write to them. */
static void not_granted(const struct served *served)
{
    static grant_ref_t foreign, read_only;

    if (!foreign) {
        foreign = grant_page(guarded_page(), 5, 0);
        read_only = grant_page(guarded_page(), 0, GTF_readonly);
    }
    refuse_number(served, "xsa-361.ring-granted-to-another-domain", served->ring_node, foreign);
    refuse_number(served, "xsa-361.ring-read-only", served->ring_node, read_only);
}

static void bad_nodes(struct served *served)
{
    uint64_t store = hvm_param(HVM_PARAM_STORE_EVTCHN);
    evtchn_port_t foreign = open_port(5);

    restart(&served->device);
    refuse(served, "ring-missing", served->ring_node, 0);
    refuse(served, "ring-no-number", served->ring_node, "none");
    refuse(served, "ring-of-more-than-32-bits", served->ring_node, "4294967304");
    refuse(served, "ring-negative", served->ring_node, "-8");
    refuse(served, "xsa-526.ring-not-granted", served->ring_node, "2000");
    refuse(served, "xsa-526.ring-beyond-the-table", served->ring_node, "4294967295");
    not_granted(served);
    refuse(served, "event-channel-missing", served->port_node, 0);
    refuse(served, "xsa-526.event-channel-not-there", served->port_node, "999");
    refuse(served, "xsa-526.event-channel-beyond-the-abi", served->port_node, "4294967295");
    refuse_number(served, "xsa-526.event-channel-for-another-domain", served->port_node, foreign);
    refuse_number(served, "xsa-526.event-channel-in-use", served->port_node, (uint32_t)store);
    for (unsigned int i = 0; i < served->bad_node_count; i++)
        refuse(served, served->bad_nodes[i].attack, served->bad_nodes[i].node, served->bad_nodes[i].text);
    close_port(foreign);
    comes_back(served, "bad-nodes");
}

static void nodes_at_speed(struct served *served)
{
    static const char *const values[] = {"0", "1", "4294967295", "18446744073709551616", "-1", "none", "", "x86_32-abi"};
    static const char *const nodes[] = {"ring-ref",  "event-channel", "tx-ring-ref",     "multi-queue-num-queues",
                                        "ring-ref0", "num-rings",     "request-rx-copy", "ring-page-order",
                                        "port",      "protocol",      "xdp-headroom",    "event-channel-tx",
                                        "version",   "feature-sg",    "event-channel-0", "ctrl-ring-ref"};
    const struct device *device = &served->device;

    for (unsigned int i = 0; i < FLOOD; i++) {
        set_node(device, nodes[random_below(16)], values[random_below(8)]);
        /* Not 0, which ends the device. */
        set_state(device, 1 + random_below(9));
    }
    for (unsigned int i = 0; i < 16; i++)
        remove_node(device, nodes[i]);
    comes_back(served, "xsa-349.nodes-written-at-speed");
}

/* The six states of a connection in random orders, with requests in flight. */
static void states_in_any_order(struct served *served)
{
    for (unsigned int i = 0; i < ORDERS; i++) {
        unsigned int states[] = {1, 2, 3, 4, 5, 6};

        served->keep_busy();
        for (unsigned int left = 6; left; left--) {
            unsigned int chosen = random_below(left);

            set_state(&served->device, states[chosen]);
            states[chosen] = states[left - 1];
        }
        /* An order that ends at Connected may have connected to the ring as it is. */
        if (restart(&served->device) == XenbusStateInitWait)
            served->connect();
    }
    comes_back(served, "states-in-any-order");
}

static void cycles(struct served *served)
{
    const char *kind = served->device.kind;
    uint32_t count = 20;
    unsigned int well = 0;

    command_line_word("cycles", &count);
    for (unsigned int i = 0; i < count; i++)
        well += restart(&served->device) == XenbusStateInitWait && served->connect() == XenbusStateConnected;
    check(name_of(kind, "xsa-350.connects-and-disconnects", 0), well, count);
    check(name_of(kind, "xsa-350.connects-and-disconnects", "serves-again"), served->serves(), 0);
}

static void storm(struct served *served)
{
    const char *kind = served->device.kind;
    unsigned int failed = 0;

    for (unsigned int i = 0; i < STORM; i++)
        failed += evtchn_send(served->port) != 0;
    check(name_of(kind, "xsa-332.storm-of-events", 0), failed, 0);
    check(name_of(kind, "xsa-332.storm-of-events", "serves-again"), served->serves(), 0);
}

static void closed_in_flight(struct served *served)
{
    const char *kind = served->device.kind;

    served->keep_busy();
    check(name_of(kind, "xsa-374.closed-in-flight", 0), close_front(&served->device), XenbusStateClosed);
    check(name_of(kind, "xsa-374.closed-in-flight", "nothing-is-in-use"), served->rings_in_use(), 0);
    comes_back(served, "xsa-374.closed-in-flight");
}

static void port_closed_in_flight(struct served *served)
{
    served->keep_busy();
    close_port(served->port);
    served->port = 0;
    comes_back(served, "event-channel-closed-in-flight");
}

/* Neither the version of the table nor the pages of a ring can be had while they are in use. */
static void grants_in_flight(struct served *served)
{
    struct gnttab_set_version version = {.version = 2};

    served->keep_busy();
    check(
        name_of(served->device.kind, "grants-of-another-version-in-flight", 0),
        grant_op(GNTTABOP_set_version, &version, 1),
        -XEN_EBUSY);
    comes_back(served, "grants-of-another-version-in-flight");
}

static const struct {
    const char *name;
    void (*play)(struct served *served);
} of_all[] = {
    {"bad-nodes", bad_nodes},
    {"xsa-332.storm-of-events", storm},
    {"xsa-349.nodes-written-at-speed", nodes_at_speed},
    {"states-in-any-order", states_in_any_order},
    {"xsa-374.closed-in-flight", closed_in_flight},
    {"event-channel-closed-in-flight", port_closed_in_flight},
    {"grants-of-another-version-in-flight", grants_in_flight},
    {"xsa-350.connects-and-disconnects", cycles},
};

#define OF_ALL (sizeof(of_all) / sizeof(of_all[0]))

unsigned int attack_count(const struct served *served)
{
    return served->attack_count + OF_ALL;
}

const char *attack_name(const struct served *served, unsigned int number)
{
    return number < served->attack_count ? served->attacks[number].name : of_all[number - served->attack_count].name;
}

void play_attack(struct served *served, unsigned int number)
{
    if (number < served->attack_count)
        served->attacks[number].play();
    else
        of_all[number - served->attack_count].play(served);
}

void remove_in_flight(struct served *served)
{
    served->keep_busy();
    remove_front(&served->device);
    for (unsigned int waited = 0; served->rings_in_use() && waited < patience; waited += 20)
        sleep_for(20);
    check(name_of(served->device.kind, "removed-in-flight.nothing-is-in-use", 0), served->rings_in_use(), 0);
}
