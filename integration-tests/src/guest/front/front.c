/*
 * A hostile front end of each device that it finds: a disk, a network interface. It prints one line for each case, as the guest
 * `hypercalls` does. Expected values are those of Xen's public headers (blkif.h, netif.h, ring.h, xenbus.h), and of the advisories
 * that cases are named after. Words of its command line:
 *
 *  only=KIND     plays only that kind
 *  cycles=NUMBER connects and disconnects so many times
 *  patience=NUMBER milliseconds after which an answer is missing
 *  skip=NAME     leaves a case out
 */
#include "front.h"

#include "../runtime/xenstore.h"

#define FLOOD 200

uint32_t patience = 20000;

const char *name_of(const char *kind, const char *name, const char *more)
{
    static char text[160];
    size_t length = 0;
    const char *parts[] = {kind, ".", name, more ? "." : "", more ? more : ""};

    for (unsigned int i = 0; i < 5; i++) {
        memcpy(text + length, parts[i], strlen(parts[i]));
        length += strlen(parts[i]);
    }
    text[length] = 0;
    return text;
}

void comes_back(const struct served *served, const char *name)
{
    const char *kind = served->device.kind;
    int state = restart(&served->device);

    if (state == XenbusStateInitWait)
        state = served->connect();
    check(name_of(kind, name, "comes-back"), state, XenbusStateConnected);
    check(name_of(kind, name, "serves-again"), served->serves(), 0);
}

void refused(const struct served *served, const char *name, const char *node, const char *text)
{
    const struct device *device = &served->device;

    if (skipped(name_of(device->kind, name, 0)))
        return;
    restart(device);
    override_node(node, text);
    set_node(device, node, "");
    check(name_of(device->kind, name, 0), served->connect(), XenbusStateClosing);
    override_node(0, 0);
    remove_node(device, node);
    comes_back(served, name);
}

void flood_nodes(const struct served *served)
{
    static const char *const values[] = {"0", "1", "4294967295", "18446744073709551616", "-1", "none", "", "x86_32-abi"};
    static const char *const nodes[] = {"ring-ref",     "event-channel", "tx-ring-ref",    "multi-queue-num-queues",
                                        "ring-ref0",    "num-rings",     "request-rx-copy", "ring-page-order",
                                        "port",         "protocol",      "xdp-headroom",   "event-channel-tx"};
    const struct device *device = &served->device;

    if (skipped(name_of(device->kind, "xsa-349.nodes-written-at-speed", 0)))
        return;
    for (unsigned int i = 0; i < FLOOD; i++) {
        set_node(device, nodes[random_below(12)], values[random_below(8)]);
        /* Not 0, which ends the device. */
        set_state(device, 1 + random_below(9));
    }
    for (unsigned int i = 0; i < 12; i++)
        remove_node(device, nodes[i]);
    comes_back(served, "xsa-349.nodes-written-at-speed");
}

void cycle(const struct served *served, unsigned int count)
{
    const char *kind = served->device.kind;
    unsigned int well = 0;

    for (unsigned int i = 0; i < count; i++)
        well += restart(&served->device) == XenbusStateInitWait && served->connect() == XenbusStateConnected;
    check(name_of(kind, "xsa-350.connects-and-disconnects", 0), well, count);
    check(name_of(kind, "xsa-350.connects-and-disconnects", "serves-again"), served->serves(), 0);
}

static void play(const char *kind, int (*device)(void))
{
    char word[16] = "only=";

    memcpy(word + 5, kind, strlen(kind) + 1);
    if (command_line_word("only=", 0) && !command_line_word(word, 0))
        return;
    if (!device()) {
        print("skip ");
        print(kind);
        print("\n");
    }
}

void guest_main(void)
{
    begin_clock();
    begin_grants();
    command_line_word("patience", &patience);
    if (!xenstore_connect()) {
        print("FAIL no XenStore\n");
        return;
    }
    play("vbd", play_vbd);
    play("vif", play_vif);
    check("memory.beside-what-was-granted-is-unchanged", changed_guards(), 0);
    check_summary();
}
