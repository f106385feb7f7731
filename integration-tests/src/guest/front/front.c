/*
 * Front ends of each device that the guest has: a disk, a network interface, a share, a further console. They are hostile, and
 * print one line for each case, as the guest `hypercalls` does. Expected values are those of Xen's public headers (blkif.h,
 * netif.h, 9pfs.h, console.h, ring.h, xenbus.h), and of the advisories that cases are named after. After each attack the guest's
 * other devices still serve. Words of its command line:
 *
 *  only=KIND       uses only that kind
 *  on=KIND         attacks only that kind; the others have to go on
 *  attack=NAME     plays only that attack
 *  skip=NAME       leaves a case out
 *  random=SEED     plays attacks in random order instead, with
 *  count=NUMBER    so many
 *  cycles=NUMBER   connects and disconnects so many times
 *  patience=NUMBER milliseconds after which an answer is missing
 *  busy            instead, keeps requests of all devices in flight until the domain ends, and says so by data/busy
 *  good            instead, uses all devices until the domain ends, counts by data/rounds, and prints what fails
 *  pae             in 32 bits: has PAE page tables
 */
#include "front.h"

#include "../runtime/xenstore.h"

#define KINDS 4
/* Between two reports of a good guest, in milliseconds. */
#define REPORT 200
#define WIDTH "shared_info.has-the-guest's-width"

uint32_t patience = 20000;

static struct served *devices[KINDS];
static unsigned int device_count;

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

/* Whether the command line has "WORD=TEXT", or no word of that beginning at all. */
static int is_wanted(const char *word, const char *text)
{
    char both[96];

    if (!command_line_word(word, 0))
        return 1;
    memcpy(both, word, strlen(word));
    memcpy(both + strlen(word), text, strlen(text) + 1);
    return command_line_word(both, 0);
}

static void begin(const char *kind, struct served *(*device)(void))
{
    struct served *served;

    if (!is_wanted("only=", kind))
        return;
    served = device();
    if (!served) {
        print("skip ");
        print(kind);
        print("\n");
        return;
    }
    devices[device_count++] = served;
    await_back(&served->device, XenbusStateInitWait, patience);
    check(name_of(kind, "connects", 0), served->connect(), XenbusStateConnected);
    check(name_of(kind, "serves", 0), served->serves(), 0);
}

static void play(unsigned int which, unsigned int number)
{
    struct served *served = devices[which];
    unsigned int harmed = 0;

    if (!is_wanted(" on=", served->device.kind) || !is_wanted("attack=", attack_name(served, number)))
        return;
    print("play ");
    print(name_of(served->device.kind, attack_name(served, number), 0));
    print("\n");
    play_attack(served, number);
    for (unsigned int i = 0; i < device_count; i++)
        harmed += i != which && devices[i]->serves() != 0;
    check(name_of(served->device.kind, attack_name(served, number), "others-go-on"), harmed, 0);
}

static void play_all(void)
{
    for (unsigned int i = 0; i < device_count; i++)
        for (unsigned int number = 0; number < attack_count(devices[i]); number++)
            play(i, number);
    for (unsigned int i = 0; i < device_count; i++)
        if (is_wanted(" on=", devices[i]->device.kind))
            remove_in_flight(devices[i]);
}

static void play_random(uint32_t count)
{
    for (; count && device_count; count--) {
        unsigned int which = random_below(device_count);

        play(which, random_below(attack_count(devices[which])));
    }
}

static void __attribute__((noreturn)) busy(void)
{
    report("busy", 1);
    for (;;) {
        for (unsigned int i = 0; i < device_count; i++)
            devices[i]->keep_busy();
        sleep_for(1);
    }
}

static void __attribute__((noreturn)) be_good(void)
{
    uint64_t next = 0, last = 0;
    uint32_t rounds = 0;

    for (;; rounds++) {
        uint64_t now = milliseconds();

        if (now < last)
            check("clock.goes-forward", 0, 1);
        last = now;
        if (selected_elsewhere())
            check(WIDTH, selected_elsewhere(), 0);
        for (unsigned int i = 0; i < device_count; i++) {
            int result = devices[i]->serves();

            if (result)
                check(name_of(devices[i]->device.kind, "goes-on", 0), result, 0);
        }
        sleep_for(1);
        if (milliseconds() >= next) {
            report("rounds", rounds);
            next = milliseconds() + REPORT;
        }
    }
}

void guest_main(void)
{
    uint32_t seed = 0, count = 10;

#ifndef __x86_64__
    if (command_line_word("pae", 0))
        set_paging_mode(PAGING_PAE);
#endif
    begin_clock();
    begin_grants();
    command_line_word("patience", &patience);
    command_line_word("count", &count);
    /* A loaded machine may take its time. */
    xenstore_patience *= 20;
    if (!xenstore_connect()) {
        print("FAIL no XenStore\n");
        return;
    }
    begin("vbd", begin_vbd);
    begin("vif", begin_vif);
    begin("9pfs", begin_9pfs);
    begin("console", begin_console);
    if (command_line_word("good", 0))
        be_good();
    if (command_line_word("busy", 0))
        busy();
    if (command_line_word("random", &seed)) {
        begin_random(seed);
        play_random(count);
    } else {
        play_all();
    }
    check(WIDTH, selected_elsewhere(), 0);
    check("memory.beside-what-was-granted-is-unchanged", changed_guards(), 0);
    check_summary();
}
