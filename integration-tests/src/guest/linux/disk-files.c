// Files that processes change until they are killed, and what has to be left of them. Each process has a folder; in it are files
// `fN` that are replaced, a file `log` that grows, and a file `blocks` of which blocks are overwritten. All contents say which
// version they are.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "disk-load.h"

enum { NUMBERS = 16, LARGEST = 96 << 10, RECORD = 1504, RECORDS = 2000 };

enum kind { REPLACED = 'f', APPENDED = 'l', OVERWRITTEN = 'b' };

struct header {
    uint32_t kind, process, number, version;
    uint64_t size; // of all, with this
};

// Different for all that can be told apart.
static uint64_t number_of(const struct header *header)
{
    return ((uint64_t)header->version << 24) + (header->kind << 16) + (header->process << 8) + header->number;
}

static void compose(void *bytes, const struct header *header)
{
    memcpy(bytes, header, sizeof *header);
    fill((char *)bytes + sizeof *header, header->size - sizeof *header, number_of(header));
}

// Looks whether bytes are what `compose` has made, of some version.
static int is_whole(const void *bytes, size_t size, enum kind kind, int process, int number, struct header *header)
{
    if (size < sizeof *header)
        return 0;
    memcpy(header, bytes, sizeof *header);
    return header->kind == (uint32_t)kind && header->process == (uint32_t)process && header->number == (uint32_t)number &&
           header->size == size && is_filled((const char *)bytes + sizeof *header, size - sizeof *header, number_of(header));
}

static void tell(const struct header *header)
{
    char line[80];
    int size = snprintf(line, sizeof line, "synced %c %u %u %u\n", header->kind, header->process, header->number, header->version);

    // One call for a line, as there are other processes.
    if (write(STDOUT_FILENO, line, size) != size)
        exit(1);
}

static void put(int file, const void *bytes, size_t size, off_t place)
{
    if (pwrite(file, bytes, size, place) != (ssize_t)size)
        fail("write of %zu bytes", size);
}

static void must_sync(int result)
{
    if (result)
        fail("sync");
}

static void replace(int folder, struct header *header, uint64_t *state, char *bytes)
{
    char name[16];
    int file = openat(folder, "new", O_CREAT | O_TRUNC | O_WRONLY, 0600);

    if (file < 0)
        fail("new");
    header->size = sizeof *header + 8 * below(state, (LARGEST - sizeof *header) / 8);
    compose(bytes, header);
    put(file, bytes, header->size, 0);
    must_sync(fsync(file));
    close(file);
    snprintf(name, sizeof name, "f%u", header->number);
    if (renameat(folder, "new", folder, name))
        fail("%s", name);
    must_sync(fsync(folder));
}

static void change(int folder, int log, int blocks, struct header *header, uint64_t *state, char *bytes)
{
    switch ((enum kind)header->kind) {
    case REPLACED:
        replace(folder, header, state, bytes);
        break;
    case APPENDED:
        header->size = RECORD;
        compose(bytes, header);
        put(log, bytes, header->size, (off_t)header->size * header->version);
        must_sync(fdatasync(log));
        break;
    case OVERWRITTEN:
        header->size = BLOCK;
        compose(bytes, header);
        put(blocks, bytes, BLOCK, (off_t)BLOCK * header->number);
        must_sync(fdatasync(blocks));
        break;
    }
}

static void change_files(const char *path, int process, uint64_t seed)
{
    static const enum kind kinds[] = { REPLACED, APPENDED, OVERWRITTEN };
    uint64_t state = (seed * PROCESSES + process + 1) * 0x9e3779b97f4a7c15u;
    uint32_t versions[2][NUMBERS] = { 0 }, records = 0;
    char *bytes = buffer(LARGEST), name[32];
    int parent = must_open(path, O_RDONLY | O_DIRECTORY);

    snprintf(name, sizeof name, "p%d", process);
    if (mkdirat(parent, name, 0700) || fsync(parent))
        fail("%s", name);
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY);
    int log = openat(folder, "log", O_CREAT | O_RDWR, 0600), blocks = openat(folder, "blocks", O_CREAT | O_RDWR, 0600);
    if (log < 0 || blocks < 0 || fsync(folder))
        fail("files of %s", name);
    while (records < RECORDS) {
        struct header header = { .kind = kinds[below(&state, 3)], .process = process, .number = below(&state, NUMBERS) };
        if (header.kind == APPENDED) {
            header.number = 0;
            header.version = records++;
        } else {
            header.version = ++versions[header.kind == REPLACED][header.number];
        }
        change(folder, log, blocks, &header, &state, bytes);
        tell(&header);
    }
}

void use_files(const char *folder, int first, int processes, uint64_t seed)
{
    for (int process = first; process < first + processes; process++) {
        if (!fork()) {
            change_files(folder, process, seed);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
    // Only reached if nobody has ended it in time.
    printf("disk-load: failed: all is written\n");
}

// After a crash.

// The newest version of each place that is on the disk for certain; 0 for none. Of `log` it is the number of records.
static uint32_t synced[PROCESSES][3][NUMBERS];

static int index_of(enum kind kind)
{
    return kind == REPLACED ? 0 : kind == APPENDED ? 1 : 2;
}

// Lines of other programs may be among them, and the last one may be cut.
static int read_synced(int first, int processes)
{
    char line[256], kind, end;
    uint32_t process, number, version;
    int count = 0;

    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "synced %c %u %u %u%c", &kind, &process, &number, &version, &end) != 5 || !strchr("\r\n", end))
            continue;
        if (!strchr("flb", kind) || process >= PROCESSES || number >= NUMBERS)
            fail("%s", line);
        if (process < (uint32_t)first || process >= (uint32_t)(first + processes))
            continue;
        synced[process][index_of(kind)][number] = version + (kind == APPENDED);
        count++;
    }
    return count;
}

static size_t contents(int folder, const char *name, char *bytes, size_t most)
{
    size_t size = 0;
    int file = openat(folder, name, O_RDONLY);

    if (file < 0)
        fail("%s", name);
    for (ssize_t got; (got = read(file, bytes + size, most - size)) > 0; size += got)
        ;
    close(file);
    return size;
}

// Bytes of the version that is wanted, or of one that was on its way.
static void check_place(const void *bytes, size_t size, const struct header *wanted)
{
    struct header found = { 0 };

    errno = 0;
    if (!is_whole(bytes, size, wanted->kind, wanted->process, wanted->number, &found))
        fail("%c %u %u is not whole: %zu bytes", wanted->kind, wanted->process, wanted->number, size);
    if (wanted->kind == APPENDED ? found.version != wanted->version : found.version < wanted->version)
        fail("%c %u %u has version %u, not %u", wanted->kind, wanted->process, wanted->number, found.version, wanted->version);
}

static void check_replaced(int folder, struct header wanted, char *bytes, size_t most)
{
    char name[16];

    wanted.kind = REPLACED;
    for (int number = 0; number < NUMBERS; number++) {
        wanted.number = number;
        wanted.version = synced[wanted.process][index_of(REPLACED)][number];
        snprintf(name, sizeof name, "f%d", number);
        if (wanted.version)
            check_place(bytes, contents(folder, name, bytes, most), &wanted);
    }
}

static void check_places(int folder, struct header wanted, char *bytes, size_t most)
{
    size_t all = contents(folder, "log", bytes, most);

    wanted.kind = APPENDED;
    wanted.number = 0;
    for (wanted.version = 0; wanted.version < synced[wanted.process][index_of(APPENDED)][0]; wanted.version++) {
        size_t place = (size_t)RECORD * wanted.version;
        if (place + RECORD > all)
            fail("log %u ends at %zu, before record %u", wanted.process, all, wanted.version);
        check_place(bytes + place, RECORD, &wanted);
    }
    all = contents(folder, "blocks", bytes, most);
    wanted.kind = OVERWRITTEN;
    for (int number = 0; number < NUMBERS; number++) {
        wanted.number = number;
        wanted.version = synced[wanted.process][index_of(OVERWRITTEN)][number];
        if (wanted.version && (size_t)BLOCK * (number + 1) > all)
            fail("blocks %u ends at %zu, before block %d", wanted.process, all, number);
        if (wanted.version)
            check_place(bytes + (size_t)BLOCK * number, BLOCK, &wanted);
    }
}

void check_files(const char *path, int first, int processes)
{
    size_t most = (size_t)RECORD * RECORDS + LARGEST;
    char *bytes = buffer(most), name[512];
    int count = read_synced(first, processes);

    for (int process = first; process < first + processes; process++) {
        struct header wanted = { .process = process };
        snprintf(name, sizeof name, "%s/p%d", path, process);
        int folder = must_open(name, O_RDONLY | O_DIRECTORY);
        check_replaced(folder, wanted, bytes, most);
        check_places(folder, wanted, bytes, most);
        close(folder);
    }
    printf("disk-load: ok %d synced\n", count);
}

