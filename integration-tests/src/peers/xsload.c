/*
 * xsload - load for a XenStore daemon on its Unix socket, by the protocol of Xen's xs_wire.h.
 *
 *   xsload SOCKET fill NODES                                 makes what the others use
 *   xsload SOCKET WORK CONNECTIONS IN_FLIGHT NODES SECONDS   prints "done N errors N conflicts N seconds S"
 *
 * WORK: read, write       of a random one of NODES nodes
 *       directory         of a random directory of 100 nodes
 *       watch             a write to a watched node, until both its reply and its event have come
 *       transaction       start, read, two writes, end, to nodes of its own
 * IN_FLIGHT units are under way on each connection at any time. One thread, epoll.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { DIRECTORY = 1, READ = 2, WATCH = 4, TRANSACTION_START = 6, TRANSACTION_END = 7, WRITE = 11, WATCH_EVENT = 15, ERROR = 16 };

#define PER_DIRECTORY 100
#define PAYLOAD_MAX 4096
#define MAX_CONNECTIONS 4096
#define MAX_IN_FLIGHT 256
#define VALUE "twenty-four bytes long.."

struct header { uint32_t type, req_id, tx_id, len; };

/* One unit of work that is under way. */
struct slot { int step, replied, noticed; uint32_t tx; };

struct connection {
	int fd, number;
	size_t in_size, out_size, out_sent;
	struct slot slots[MAX_IN_FLIGHT];
	char in[256 * 1024], out[256 * 1024];
};

static struct connection *connections;
static int count, in_flight, nodes;
static const char *work;
static int stopping;
static uint64_t done, errors, conflicts, busy;
static uint64_t random_state = 88172645463325252ull;

static void die(const char *what)
{
	fprintf(stderr, "xsload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void queue(struct connection *c, uint32_t type, uint32_t id, uint32_t tx, const char *payload, size_t length)
{
	struct header h = {type, id, tx, (uint32_t)length};

	if (c->out_size + sizeof(h) + length > sizeof(c->out)) {
		errno = ENOBUFS;
		die("output");
	}
	memcpy(c->out + c->out_size, &h, sizeof(h));
	memcpy(c->out + c->out_size + sizeof(h), payload, length);
	c->out_size += sizeof(h) + length;
}

/* A path with its NUL, and a value after it if there is one. */
static void request(struct connection *c, uint32_t type, uint32_t id, uint32_t tx, const char *path, const char *value)
{
	char payload[256];
	size_t length = strlen(path) + 1, more = value ? strlen(value) : 0;

	memcpy(payload, path, length);
	memcpy(payload + length, value ? value : "", more);
	queue(c, type, id, tx, payload, length + more);
}

static const char *node_path(uint32_t node)
{
	static char path[64];

	snprintf(path, sizeof(path), "/bench/%u/node-%u", node / PER_DIRECTORY, node % PER_DIRECTORY);
	return path;
}

static const char *own_path(const struct connection *c, uint32_t id, int which)
{
	static char path[64];

	snprintf(path, sizeof(path), "/own/%d/%u-%d", c->number, id, which);
	return path;
}

static void step(struct connection *c, uint32_t id)
{
	struct slot *s = &c->slots[id];
	char path[64];

	switch (work[0]) {
	case 'r':
		request(c, READ, id, 0, node_path(next_random() % (uint32_t)nodes), NULL);
		break;
	case 'd':
		snprintf(path, sizeof(path), "/bench/%u", next_random() % ((uint32_t)nodes / PER_DIRECTORY));
		request(c, DIRECTORY, id, 0, path, NULL);
		break;
	case 'w':
		if (work[1] == 'r')
			request(c, WRITE, id, 0, node_path(next_random() % (uint32_t)nodes), VALUE);
		else
			request(c, WRITE, id, 0, own_path(c, id, 0), VALUE);
		break;
	case 't':
		switch (s->step) {
		case 0: queue(c, TRANSACTION_START, id, 0, "", 1); break;
		case 1: request(c, READ, id, s->tx, own_path(c, id, 0), NULL); break;
		case 2: request(c, WRITE, id, s->tx, own_path(c, id, 0), VALUE); break;
		case 3: request(c, WRITE, id, s->tx, own_path(c, id, 1), VALUE); break;
		default: queue(c, TRANSACTION_END, id, s->tx, "T", 2); break;
		}
		break;
	}
}

static void begin(struct connection *c, uint32_t id)
{
	memset(&c->slots[id], 0, sizeof(c->slots[id]));
	busy++;
	step(c, id);
}

static void finish(struct connection *c, uint32_t id)
{
	done++;
	busy--;
	if (!stopping)
		begin(c, id);
}

static void take(struct connection *c, const struct header *h, const char *payload)
{
	struct slot *s;
	uint32_t id = h->req_id;

	if (h->type == WATCH_EVENT) {
		/* /own/CONNECTION/ID-0; the first event of a watch names the directory alone. */
		const char *slash = strrchr(payload, '/');
		char *end;

		id = (uint32_t)strtoul(slash + 1, &end, 10);
		if (*end != '-')
			return;
		s = &c->slots[id];
		s->noticed = 1;
		if (s->replied)
			finish(c, id);
		return;
	}
	s = &c->slots[id];
	if (h->type == ERROR) {
		if (work[0] == 't' && s->step == 4 && !strcmp(payload, "EAGAIN")) {
			conflicts++;
		} else if (errors++ == 0) {
			fprintf(stderr, "xsload: %s: error %s\n", work, payload);
		}
		busy--;
		if (!stopping)
			begin(c, id);
		return;
	}
	if (work[0] == 't') {
		if (s->step == 0)
			s->tx = (uint32_t)strtoul(payload, NULL, 10);
		if (s->step++ == 4)
			finish(c, id);
		else
			step(c, id);
	} else if (work[0] == 'w' && work[1] == 'a') {
		s->replied = 1;
		if (s->noticed)
			finish(c, id);
	} else {
		finish(c, id);
	}
}

static void send_out(struct connection *c)
{
	while (c->out_sent < c->out_size) {
		ssize_t n = write(c->fd, c->out + c->out_sent, c->out_size - c->out_sent);

		if (n < 0) {
			if (errno == EAGAIN)
				return;
			die("write");
		}
		c->out_sent += (size_t)n;
	}
	c->out_sent = c->out_size = 0;
}

static void receive(struct connection *c)
{
	size_t at = 0;
	ssize_t n = read(c->fd, c->in + c->in_size, sizeof(c->in) - c->in_size);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("the daemon closed a connection");
	c->in_size += (size_t)n;
	while (c->in_size - at >= sizeof(struct header)) {
		struct header h;
		char payload[PAYLOAD_MAX + 1];

		memcpy(&h, c->in + at, sizeof(h));
		if (h.len > PAYLOAD_MAX) {
			errno = EPROTO;
			die("payload");
		}
		if (c->in_size - at < sizeof(h) + h.len)
			break;
		if (h.type == WATCH_EVENT || h.type == ERROR || h.type == TRANSACTION_START) {
			memcpy(payload, c->in + at + sizeof(h), h.len);
			payload[h.len] = 0;
		}
		at += sizeof(h) + h.len;
		take(c, &h, payload);
	}
	memmove(c->in, c->in + at, c->in_size - at);
	c->in_size -= at;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die(path);
	return fd;
}

/* One request at a time, for what comes before the measurement. */
static void call(struct connection *c, uint32_t type, const char *payload, size_t length)
{
	struct header h;
	char reply[PAYLOAD_MAX];
	size_t got;
	ssize_t n;

	queue(c, type, 0, 0, payload, length);
	send_out(c);
	do {
		for (got = 0; got < sizeof(h); got += (size_t)n)
			if ((n = read(c->fd, (char *)&h + got, sizeof(h) - got)) <= 0)
				die("read");
		for (got = 0; got < h.len; got += (size_t)n)
			if ((n = read(c->fd, reply + got, h.len - got)) <= 0)
				die("read");
	} while (h.type == WATCH_EVENT);
	if (h.type == ERROR) {
		fprintf(stderr, "xsload: preparation: error %s\n", reply);
		exit(1);
	}
}

static void call_write(struct connection *c, const char *path)
{
	char payload[128];
	size_t length = strlen(path) + 1;

	memcpy(payload, path, length);
	memcpy(payload + length, VALUE, strlen(VALUE));
	call(c, WRITE, payload, length + strlen(VALUE));
}

static void prepare(struct connection *c)
{
	char watch[64];

	for (int id = 0; id < in_flight; id++) {
		call_write(c, own_path(c, (uint32_t)id, 0));
		call_write(c, own_path(c, (uint32_t)id, 1));
	}
	if (!strcmp(work, "watch")) {
		int length = snprintf(watch, sizeof(watch), "/own/%d", c->number);

		memcpy(watch + length + 1, "token", 6);
		call(c, WATCH, watch, (size_t)length + 7);
	}
}

static void run(double seconds)
{
	int poll = epoll_create1(0);
	struct epoll_event events[64];
	double start, end, stop;

	for (int i = 0; i < count; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &connections[i]};

		fcntl(connections[i].fd, F_SETFL, O_NONBLOCK);
		if (epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &e))
			die("epoll_ctl");
	}
	start = now();
	end = start + seconds;
	for (int i = 0; i < count; i++) {
		for (int id = 0; id < in_flight; id++)
			begin(&connections[i], (uint32_t)id);
		send_out(&connections[i]);
	}
	while (busy) {
		int n = epoll_wait(poll, events, 64, 30000);

		if (n <= 0) {
			errno = n ? errno : ETIMEDOUT;
			die("the daemon does not answer");
		}
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;
			struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

			if (events[i].events & (EPOLLIN | EPOLLHUP))
				receive(c);
			send_out(c);
			if (c->out_size)
				e.events |= EPOLLOUT;
			if (c->out_size || (events[i].events & EPOLLOUT))
				epoll_ctl(poll, EPOLL_CTL_MOD, c->fd, &e);
		}
		if (!stopping && now() >= end)
			stopping = 1;
	}
	stop = now();
	printf("done %llu errors %llu conflicts %llu seconds %.3f\n", (unsigned long long)done, (unsigned long long)errors,
	       (unsigned long long)conflicts, stop - start);
}

int main(int argc, char **argv)
{
	const char *socket_path = argc > 1 ? argv[1] : "";

	if (argc == 4 && !strcmp(argv[2], "fill")) {
		connections = calloc(1, sizeof(*connections));
		connections->fd = connect_to(socket_path);
		for (int i = 0; i < atoi(argv[3]); i++)
			call_write(connections, node_path((uint32_t)i));
		return 0;
	}
	if (argc != 7) {
		fprintf(stderr, "usage: xsload SOCKET fill NODES | SOCKET WORK CONNECTIONS IN_FLIGHT NODES SECONDS\n");
		return 2;
	}
	work = argv[2];
	count = atoi(argv[3]);
	in_flight = atoi(argv[4]);
	nodes = atoi(argv[5]);
	if (count < 1 || count > MAX_CONNECTIONS || in_flight < 1 || in_flight > MAX_IN_FLIGHT || nodes < PER_DIRECTORY) {
		fprintf(stderr, "xsload: out of range\n");
		return 2;
	}
	connections = calloc((size_t)count, sizeof(*connections));
	for (int i = 0; i < count; i++) {
		connections[i].number = i;
		connections[i].fd = connect_to(socket_path);
		prepare(&connections[i]);
	}
	run(atof(argv[6]));
	return errors ? 1 : 0;
}
