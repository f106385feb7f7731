/* The XenStore through the guest's ring. Answers are xenstored's. */
#include "check.h"

#include "../runtime/xenstore.h"

static const struct xenstore_reply *last;

static int is_error(const char *name)
{
    return last && last->header.type == XS_ERROR && last->header.len == strlen(name) + 1
        && memcmp(last->body, name, strlen(name) + 1) == 0;
}

/* Prints what came instead, which a bare 0 or 1 would not tell. */
static void check_reply(const char *name, int good)
{
    check_true(name, good);
    if (!good && last) {
        print("# reply type ");
        print_unsigned(last->header.type);
        print(" length ");
        print_unsigned(last->header.len);
        print(" body ");
        print(last->body);
        print("\n");
    }
}

/* A request whose body is a string with its terminator. */
static void ask(uint32_t type, uint32_t tx, const char *text)
{
    last = xenstore_request(type, tx, text, (uint32_t)strlen(text) + 1);
}

/* A request of `count` strings, each terminated but, for a WRITE, the last. */
static void ask2(uint32_t type, uint32_t tx, const char *first, const char *second, int terminate)
{
    static char body[2048];
    uint32_t length = (uint32_t)strlen(first) + 1;

    memcpy(body, first, length);
    memcpy(body + length, second, strlen(second) + 1);
    length += (uint32_t)strlen(second) + (terminate ? 1 : 0);
    last = xenstore_request(type, tx, body, length);
}

static void write_value(uint32_t tx, const char *path, const char *value)
{
    ask2(XS_WRITE, tx, path, value, 0);
}

static int is_ok(uint32_t type)
{
    return last && last->header.type == type && last->header.len == 3 && memcmp(last->body, "OK", 3) == 0;
}

static int has_body(uint32_t type, const char *body, uint32_t length)
{
    return last && last->header.type == type && last->header.len == length && memcmp(last->body, body, length) == 0;
}

static int reads(uint32_t tx, const char *path, const char *value)
{
    ask(XS_READ, tx, path);
    return has_body(XS_READ, value, (uint32_t)strlen(value));
}

static void check_read_write(void)
{
    ask(XS_READ, 0, "domid");
    check_reply("xenstore.read_domid",
                last && last->header.type == XS_READ && last->header.len >= 1 && last->body[0] >= '1'
                    && last->body[0] <= '9');
    ask(XS_READ, 0, "no/such/node");
    check_reply("xenstore.read_missing_is_enoent", is_error("ENOENT"));
    write_value(0, "data/guest", "hello");
    check_reply("xenstore.write", is_ok(XS_WRITE));
    check_reply("xenstore.read_back", reads(0, "data/guest", "hello"));
    write_value(0, "data/guest", "");
    check_reply("xenstore.write_empty", is_ok(XS_WRITE));
    check_reply("xenstore.read_empty", reads(0, "data/guest", ""));
    if (skipped("xenstore.mkdir")) {
        write_value(0, "data/guest/directory", "");
    } else {
        ask(XS_MKDIR, 0, "data/guest/directory");
        check_reply("xenstore.mkdir", is_ok(XS_MKDIR));
    }
    write_value(0, "data/guest/node", "1");
    ask(XS_DIRECTORY, 0, "data/guest");
    check_reply("xenstore.directory",
                has_body(XS_DIRECTORY, "directory\0node", 15) || has_body(XS_DIRECTORY, "node\0directory", 15));
    ask(XS_DIRECTORY, 0, "data/guest/node");
    check_reply("xenstore.directory_of_leaf_is_empty", has_body(XS_DIRECTORY, "", 0));
    ask(XS_RM, 0, "data/guest/directory");
    check_reply("xenstore.rm", is_ok(XS_RM));
    ask(XS_RM, 0, "data/guest/directory");
    check_reply("xenstore.rm_of_missing_is_ok", is_ok(XS_RM));
    ask(XS_RM, 0, "data/guest/no/such");
    check_reply("xenstore.rm_below_missing_parent_is_enoent", is_error("ENOENT"));
}

static void check_other_requests(void)
{
    ask(XS_GET_PERMS, 0, "data/guest");
    check_reply("xenstore.get_perms",
                last && last->header.type == XS_GET_PERMS && last->header.len >= 3 && last->body[0] == 'n');
    ask2(XS_DIRECTORY_PART, 0, "data/guest", "0", 1);
    check_reply("xenstore.directory_part", last && last->header.type == XS_DIRECTORY_PART
                    && last->header.len > 6 && memcmp(last->body + last->header.len - 6, "node\0", 6) == 0);
    ask(XS_GET_DOMAIN_PATH, 0, "1");
    check_reply("xenstore.get_domain_path", has_body(XS_GET_DOMAIN_PATH, "/local/domain/1", 16));
}

static void check_errors(void)
{
    ask(XS_READ, 0, "data//guest");
    check_reply("xenstore.double_slash_is_einval", is_error("EINVAL"));
    ask(XS_READ, 0, "data/gu?st");
    check_reply("xenstore.bad_character_is_einval", is_error("EINVAL"));
    write_value(0, "/local/domain/0/guest", "x");
    check_reply("xenstore.write_elsewhere_is_eacces", is_error("EACCES"));
    write_value(0, "domid", "0");
    check_reply("xenstore.write_domid_is_eacces", is_error("EACCES"));
    last = xenstore_request(XS_READ, 0, "data/guest", 10);
    check_reply("xenstore.path_without_terminator_is_einval", is_error("EINVAL"));
    last = xenstore_request(99, 0, "x", 2);
    check_reply("xenstore.unknown_request_is_enosys", is_error("ENOSYS"));
    ask2(XS_INTRODUCE, 0, "1", "1", 1);
    check_reply("xenstore.introduce_is_eacces", is_error("EACCES"));
    ask(XS_READ, 777, "domid");
    check_reply("xenstore.unknown_transaction_is_enoent", is_error("ENOENT"));
}

/* 1500 bytes: longer than the ring, so both sides have to wait for the other. */
static void check_long_value(void)
{
    static char value[1501];

    memset(value, 'v', 1500);
    write_value(0, "data/guest/long", value);
    check_reply("xenstore.write_longer_than_ring", is_ok(XS_WRITE));
    check_reply("xenstore.read_longer_than_ring", reads(0, "data/guest/long", value));
}

/* An event's body: path, token. */
static int next_event_is(const char *path, const char *token)
{
    const struct xenstore_reply *event = xenstore_next_event();
    uint32_t length = (uint32_t)strlen(path) + 1;

    last = event;
    return event && event->header.len == length + strlen(token) + 1 && memcmp(event->body, path, length) == 0
        && memcmp(event->body + length, token, strlen(token) + 1) == 0;
}

static void check_watches(void)
{
    ask2(XS_WATCH, 0, "data/guest/watched", "token", 1);
    check_reply("xenstore.watch", is_ok(XS_WATCH));
    check_reply("xenstore.watch_fires_at_once", next_event_is("data/guest/watched", "token"));
    write_value(0, "data/guest/watched", "1");
    check_reply("xenstore.watch_fires_on_write", next_event_is("data/guest/watched", "token"));
    write_value(0, "data/guest/watched/child", "1");
    check_reply("xenstore.watch_fires_below", next_event_is("data/guest/watched/child", "token"));
    ask2(XS_WATCH, 0, "data/guest/watched", "token", 1);
    check_reply("xenstore.same_watch_is_eexist", is_error("EEXIST"));
    ask2(XS_UNWATCH, 0, "data/guest/watched", "token", 1);
    check_reply("xenstore.unwatch", is_ok(XS_UNWATCH));
    ask2(XS_UNWATCH, 0, "data/guest/watched", "token", 1);
    check_reply("xenstore.unwatch_twice_is_enoent", is_error("ENOENT"));
    ask2(XS_WATCH, 0, "@releaseDomain", "release", 1);
    check_reply("xenstore.watch_special", is_ok(XS_WATCH));
    if (is_ok(XS_WATCH))
        check_reply("xenstore.watch_special_fires_at_once", next_event_is("@releaseDomain", "release"));
    last = xenstore_request(XS_RESET_WATCHES, 0, "", 1);
    check_reply("xenstore.reset_watches", is_ok(XS_RESET_WATCHES));
    write_value(0, "data/guest/watched", "2");
    check_reply("xenstore.no_event_after_reset", is_ok(XS_WRITE) && !xenstore_next_event());
}

static uint32_t start_transaction(void)
{
    uint32_t id = 0;

    last = xenstore_request(XS_TRANSACTION_START, 0, "", 1);
    if (!last || last->header.type != XS_TRANSACTION_START)
        return 0;
    for (const char *at = last->body; *at >= '0' && *at <= '9'; at++)
        id = id * 10 + (uint32_t)(*at - '0');
    return id;
}

static void check_transactions(void)
{
    uint32_t tx = start_transaction();

    check_reply("xenstore.transaction_start", tx != 0);
    write_value(tx, "data/guest/tx", "inside");
    check_reply("xenstore.transaction_sees_its_write", reads(tx, "data/guest/tx", "inside"));
    ask(XS_READ, 0, "data/guest/tx");
    check_reply("xenstore.transaction_is_isolated", is_error("ENOENT"));
    ask(XS_TRANSACTION_END, tx, "T");
    check_reply("xenstore.transaction_commit", is_ok(XS_TRANSACTION_END));
    check_reply("xenstore.committed_is_visible", reads(0, "data/guest/tx", "inside"));

    tx = start_transaction();
    write_value(tx, "data/guest/tx", "aborted");
    ask(XS_TRANSACTION_END, tx, "F");
    check_reply("xenstore.transaction_abort", is_ok(XS_TRANSACTION_END));
    check_reply("xenstore.aborted_is_gone", reads(0, "data/guest/tx", "inside"));

    tx = start_transaction();
    reads(tx, "data/guest/tx", "inside");
    write_value(0, "data/guest/tx", "outside");
    write_value(tx, "data/guest/other", "x");
    ask(XS_TRANSACTION_END, tx, "T");
    check_reply("xenstore.conflicting_commit_is_eagain", is_error("EAGAIN"));

    tx = start_transaction();
    write_value(tx, "data/guest/other", "x");
    write_value(0, "data/guest/tx", "unrelated");
    ask(XS_TRANSACTION_END, tx, "T");
    check_reply("xenstore.commit_beside_unrelated_write", is_ok(XS_TRANSACTION_END));
    ask(XS_TRANSACTION_END, 777, "T");
    check_reply("xenstore.end_of_unknown_transaction_is_enoent", is_error("ENOENT"));
}

void check_xenstore(void)
{
    if (!xenstore_connect()) {
        check("xenstore.connect", 0, 1);
        return;
    }
    check_read_write();
    check_other_requests();
    check_errors();
    check_long_value();
    check_watches();
    check_transactions();
}
