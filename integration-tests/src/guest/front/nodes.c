#include "front.h"

#include "../runtime/xenstore.h"

/* Between two looks at the back end's state. */
#define LOOK 2

static uint32_t append(char *to, uint32_t length, const char *text)
{
    memcpy(to + length, text, strlen(text) + 1);
    return length + (uint32_t)strlen(text);
}

static uint32_t append_number(char *to, uint32_t length, uint32_t value)
{
    char digits[10];
    uint32_t count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count)
        to[length++] = digits[--count];
    to[length] = 0;
    return length;
}

static uint32_t path_of(char *to, const char *directory, const char *name)
{
    return append(to, append(to, append(to, 0, directory), "/"), name);
}

static const char *read_node(const char *directory, const char *name)
{
    char path[224];
    uint32_t length = path_of(path, directory, name);
    const struct xenstore_reply *reply = xenstore_request(XS_READ, 0, path, length + 1);

    return reply && reply->header.type == XS_READ ? reply->body : 0;
}

static void write_node(const char *directory, const char *name, const char *text)
{
    char body[512];
    uint32_t length = path_of(body, directory, name) + 1;

    memcpy(body + length, text, strlen(text));
    xenstore_request(XS_WRITE, 0, body, length + (uint32_t)strlen(text));
}

/* The first child of a directory, by its own order. */
static int child(char *to, const char *directory)
{
    const struct xenstore_reply *reply =
        xenstore_request(XS_DIRECTORY, 0, directory, (uint32_t)strlen(directory) + 1);

    if (!reply || reply->header.type != XS_DIRECTORY || !reply->header.len)
        return 0;
    append(to, 0, reply->body);
    return 1;
}

int find_device(struct device *device, const char *kind)
{
    char directory[32], number[32];
    const char *back;

    append(directory, append(directory, 0, "device/"), kind);
    if (!child(number, directory))
        return 0;
    device->kind = kind;
    path_of(device->front, directory, number);
    back = read_node(device->front, "backend");
    if (!back || strlen(back) >= sizeof(device->back))
        return 0;
    append(device->back, 0, back);
    return 1;
}

static const char *overridden;
static char override_text[32];
static int is_removed;

void override_node(const char *name, const char *text)
{
    overridden = name;
    is_removed = !text;
    append(override_text, 0, text ? text : "");
}

static int is_overridden(const char *name)
{
    return overridden && strlen(name) == strlen(overridden) && memcmp(name, overridden, strlen(name)) == 0;
}

void set_node(const struct device *device, const char *name, const char *text)
{
    if (!is_overridden(name))
        write_node(device->front, name, text);
    else if (is_removed)
        remove_node(device, name);
    else
        write_node(device->front, name, override_text);
}

void set_number(const struct device *device, const char *name, uint32_t value)
{
    set_node(device, name, number_text(value));
}

const char *number_text(uint32_t value)
{
    static char text[16];

    append_number(text, 0, value);
    return text;
}

void report(const char *name, uint32_t value)
{
    write_node("data", name, number_text(value));
}

void remove_node(const struct device *device, const char *name)
{
    char path[160];
    uint32_t length = path_of(path, device->front, name);

    xenstore_request(XS_RM, 0, path, length + 1);
}

void remove_front(const struct device *device)
{
    xenstore_request(XS_RM, 0, device->front, (uint32_t)strlen(device->front) + 1);
}

void set_state(const struct device *device, unsigned int state)
{
    set_number(device, "state", state);
}

uint32_t back_number(const struct device *device, const char *name)
{
    const char *text = read_node(device->back, name);
    uint32_t value = 0;

    for (; text && *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint32_t)(*text - '0');
    return value;
}

int await_back(const struct device *device, int state, unsigned int limit)
{
    uint64_t deadline = milliseconds() + limit;
    int seen = (int)back_number(device, "state");

    while (seen != state && milliseconds() < deadline) {
        sleep_for(LOOK);
        seen = (int)back_number(device, "state");
    }
    return seen;
}

int await_connected(const struct device *device)
{
    uint64_t deadline = milliseconds() + patience;
    int seen = (int)back_number(device, "state");

    while (seen != XenbusStateConnected && seen != XenbusStateClosing && milliseconds() < deadline) {
        sleep_for(LOOK);
        seen = (int)back_number(device, "state");
    }
    return seen;
}

int close_front(const struct device *device)
{
    set_state(device, XenbusStateClosing);
    set_state(device, XenbusStateClosed);
    return await_back(device, XenbusStateClosed, patience);
}

int restart(const struct device *device)
{
    int closed = close_front(device);

    if (closed != XenbusStateClosed)
        return closed;
    set_state(device, XenbusStateInitialising);
    return await_back(device, XenbusStateInitWait, patience);
}
