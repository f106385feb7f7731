/*
 * p9-check files DIR LOCAL OPERATIONS SEED: makes the same random operations on files in DIR, which is shared, and in LOCAL, and
 *     compares what they give: reads and writes at any place, sizes with holes, names that come, move and go while their files
 *     are open, permissions, symbolic links, directories and extended attributes. At the end all contents are compared.
 * p9-check list DIR COUNT: DIR has the entries 1 to COUNT, each once, and no other.
 * p9-check map DIR: a mapped file is read and written by memory accesses, and both ways by calls.
 * p9-check open DIR: a file that is renamed, replaced and removed while it is open is still read and written.
 *
 * Prints "p9-check: ok ..." if nothing is wrong.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FILES 4
#define LARGEST (256 << 10)
#define MOST_BYTES (24 << 10)
#define PAGE 4096

static int shared, local;
static unsigned long operation;
static uint64_t seed;
static unsigned char one[LARGEST + MOST_BYTES], other[LARGEST + MOST_BYTES];

static void fail(const char *format, ...)
{
    va_list arguments;

    printf("p9-check: operation %lu: ", operation);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf(" (errno %d)\n", errno);
    fflush(stdout);
    exit(1);
}

static unsigned int below(unsigned int bound)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned int)(seed >> 33) % bound;
}

static int folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        fail("%s cannot be opened", path);
    return fd;
}

/* What a call gave on either side. */
static long same(long here, int here_errno, long there, int there_errno, const char *what)
{
    if (here != there || (here < 0 && here_errno != there_errno))
        fail("%s: %ld (%d) instead of %ld (%d)", what, here, here_errno, there, there_errno);
    return here;
}

#define BOTH(what, on_shared, on_local) \
    ({ errno = 0; long s_ = (on_shared); int se_ = errno; errno = 0; long l_ = (on_local); same(s_, se_, l_, errno, what); })

/* A file that is open on both sides; it has a name until that is removed or replaced. */
static struct file { int shared, local, named; } files[FILES];

static const char *name_of(int file)
{
    static const char *names[FILES] = { "a", "b", "c-with-a-longer-name", "d" };

    return names[file];
}

static void reopen(int file)
{
    struct file *f = &files[file];

    if (f->shared >= 0) {
        close(f->shared);
        close(f->local);
    }
    f->shared = openat(shared, name_of(file), O_RDWR | O_CREAT, 0644);
    f->local = openat(local, name_of(file), O_RDWR | O_CREAT, 0644);
    if (f->shared < 0 || f->local < 0)
        fail("%s cannot be opened: %d, %d", name_of(file), f->shared, f->local);
    f->named = 1;
}

static void write_some(struct file *f)
{
    unsigned int length = 1 + below(MOST_BYTES), offset = below(LARGEST), i;

    for (i = 0; i < length; i++)
        one[i] = (unsigned char)(operation + i * 7);
    BOTH("a write", pwrite(f->shared, one, length, offset), pwrite(f->local, one, length, offset));
}

static void compare(struct file *f, unsigned int offset, unsigned int length)
{
    long read = BOTH("a read", pread(f->shared, one, length, offset), pread(f->local, other, length, offset));
    long i;

    for (i = 0; i < read; i++)
        if (one[i] != other[i])
            fail("byte %ld is %02x instead of %02x", offset + i, one[i], other[i]);
}

static void compare_status(int file)
{
    struct stat here, there;

    BOTH("a status", fstatat(shared, name_of(file), &here, AT_SYMLINK_NOFOLLOW),
         fstatat(local, name_of(file), &there, AT_SYMLINK_NOFOLLOW));
    if (here.st_size != there.st_size || here.st_mode != there.st_mode || here.st_nlink != there.st_nlink)
        fail("%s: size %ld, mode %o, %lu links instead of %ld, %o, %lu", name_of(file), (long)here.st_size, here.st_mode,
             (unsigned long)here.st_nlink, (long)there.st_size, there.st_mode, (unsigned long)there.st_nlink);
}

static void rename_some(int file)
{
    int to = (int)below(FILES);

    if (!files[file].named || to == file)
        return;
    BOTH("a rename", renameat(shared, name_of(file), shared, name_of(to)), renameat(local, name_of(file), local, name_of(to)));
    files[file].named = 0;
    /* The file of that name is another one than the one that is open now. */
    files[to].named = 0;
}

static void link_some(void)
{
    char target[64], here[64], there[64];
    ssize_t length;

    snprintf(target, sizeof target, "../%u/target-%u", below(9), below(1u << 30));
    BOTH("a symbolic link", symlinkat(target, shared, "link"), symlinkat(target, local, "link"));
    length = BOTH("a target", readlinkat(shared, "link", here, sizeof here), readlinkat(local, "link", there, sizeof there));
    if (memcmp(here, there, (size_t)length) != 0)
        fail("another target");
    BOTH("a removal", unlinkat(shared, "link", 0), unlinkat(local, "link", 0));
}

static void directory_some(void)
{
    BOTH("a directory", mkdirat(shared, "dir", 0750), mkdirat(local, "dir", 0750));
    BOTH("a second one", mkdirat(shared, "dir", 0750), mkdirat(local, "dir", 0750));
    BOTH("a name in it", renameat(shared, "dir", shared, "dir2"), renameat(local, "dir", local, "dir2"));
    BOTH("its removal", unlinkat(shared, "dir2", AT_REMOVEDIR), unlinkat(local, "dir2", AT_REMOVEDIR));
}

/* LOCAL may have no attributes: what was set is remembered. */
static void attribute_some(struct file *f)
{
    char value[200], read[256];
    size_t length = below(sizeof value);

    memset(value, (int)(operation & 0xff), sizeof value);
    if (fsetxattr(f->shared, "user.check", value, length, 0) != 0)
        fail("an attribute cannot be set");
    if (fgetxattr(f->shared, "user.check", read, sizeof read) != (ssize_t)length || memcmp(read, value, length) != 0)
        fail("an attribute has another value");
    if (fremovexattr(f->shared, "user.check") != 0)
        fail("an attribute cannot be removed");
    if (fgetxattr(f->shared, "user.check", read, sizeof read) != -1 || errno != ENODATA)
        fail("a removed attribute is there");
}

static void any(void)
{
    int file = (int)below(FILES);
    struct file *f = &files[file];
    unsigned int size = below(LARGEST);

    switch (below(16)) {
    case 0: case 1: case 2: case 3: write_some(f); break;
    case 4: case 5: case 6: compare(f, below(LARGEST), 1 + below(MOST_BYTES)); break;
    case 7: BOTH("a new size", ftruncate(f->shared, size), ftruncate(f->local, size)); break;
    case 8: BOTH("fsync", fsync(f->shared), fsync(f->local)); break;
    case 9: reopen(file); break;
    case 10: rename_some(file); break;
    case 11:
        if (f->named) {
            BOTH("a removal", unlinkat(shared, name_of(file), 0), unlinkat(local, name_of(file), 0));
            f->named = 0;
        }
        break;
    case 12: link_some(); break;
    case 13: directory_some(); break;
    case 14:
        if (f->named) {
            mode_t mode = 0600 | below(0100);

            BOTH("a mode", fchmodat(shared, name_of(file), mode, 0), fchmodat(local, name_of(file), mode, 0));
            compare_status(file);
            attribute_some(f);
        }
        break;
    default: if (f->named) compare_status(file); break;
    }
}

static void check_files(unsigned long operations)
{
    int i;

    for (i = 0; i < FILES; i++) {
        files[i].shared = -1;
        reopen(i);
    }
    for (operation = 1; operation <= operations; operation++)
        any();
    for (i = 0; i < FILES; i++) {
        compare(&files[i], 0, sizeof one);
        reopen(i);
        compare(&files[i], 0, sizeof one);
        compare_status(i);
        unlinkat(shared, name_of(i), 0);
        unlinkat(local, name_of(i), 0);
    }
    printf("p9-check: ok %lu operations\n", operations);
}

static void check_list(const char *path, unsigned long count)
{
    unsigned char *seen = calloc(count + 1, 1);
    unsigned long found = 0, number;
    DIR *directory = opendir(path);
    struct dirent *entry;

    if (directory == NULL || seen == NULL)
        fail("%s cannot be listed", path);
    for (errno = 0; (entry = readdir(directory)) != NULL; errno = 0) {
        if (entry->d_name[0] == '.')
            continue;
        number = strtoul(entry->d_name, NULL, 10);
        if (number < 1 || number > count || seen[number])
            fail("the entry %s is there twice, or should not be", entry->d_name);
        seen[number] = 1;
        found++;
    }
    if (errno != 0 || found != count)
        fail("%lu entries instead of %lu", found, count);
    printf("p9-check: ok %lu entries\n", found);
}

static void check_map(void)
{
    int fd = openat(shared, "mapped", O_RDWR | O_CREAT | O_TRUNC, 0644), i;
    unsigned char *map;

    for (i = 0; i < 4 * PAGE; i++)
        one[i] = (unsigned char)(i * 3);
    if (fd < 0 || pwrite(fd, one, 4 * PAGE, 0) != 4 * PAGE)
        fail("a file cannot be written");
    map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        fail("a file cannot be mapped");
    if (memcmp(map, one, 4 * PAGE) != 0)
        fail("a mapping has another content");
    for (i = 0; i < 4; i++)
        map[i * PAGE + 100] = (unsigned char)(0xf0 + i);
    if (msync(map, 4 * PAGE, MS_SYNC) != 0 || munmap(map, 4 * PAGE) != 0 || fsync(fd) != 0)
        fail("a mapping cannot be written back");
    close(fd);
    fd = openat(shared, "mapped", O_RDONLY);
    if (pread(fd, other, 4 * PAGE, 0) != 4 * PAGE)
        fail("a file cannot be read");
    for (i = 0; i < 4; i++)
        one[i * PAGE + 100] = (unsigned char)(0xf0 + i);
    if (memcmp(one, other, 4 * PAGE) != 0)
        fail("what was written to a mapping is not in the file");
    close(fd);
    printf("p9-check: ok mapped\n");
}

static void expect(int fd, const char *text)
{
    char read[16] = "";

    if (pread(fd, read, sizeof read - 1, 0) != (ssize_t)strlen(text) || strcmp(read, text) != 0)
        fail("%s instead of %s", read, text);
}

static int make(const char *name, const char *text)
{
    int fd = openat(shared, name, O_RDWR | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        fail("%s cannot be written", name);
    return fd;
}

static void check_open(void)
{
    int first = make("first", "1111"), second = make("second", "2222");

    if (renameat(shared, "first", shared, "second") != 0)
        fail("an open file cannot be renamed");
    expect(first, "1111");
    expect(second, "2222");
    if (pwrite(second, "x", 1, 0) != 1 || pwrite(first, "y", 1, 0) != 1)
        fail("a renamed or replaced file cannot be written");
    if (unlinkat(shared, "second", 0) != 0)
        fail("an open file cannot be removed");
    expect(first, "y111");
    expect(second, "x222");
    if (pwrite(first, "z", 1, 3) != 1)
        fail("a removed file cannot be written");
    expect(first, "y11z");
    close(first);
    close(second);
    if (faccessat(shared, "second", F_OK, 0) != -1 || errno != ENOENT)
        fail("a removed file is there");
    printf("p9-check: ok open\n");
}

int main(int count, char **words)
{
    if (count == 6 && strcmp(words[1], "files") == 0) {
        shared = folder(words[2]);
        local = folder(words[3]);
        seed = strtoul(words[5], NULL, 10);
        check_files(strtoul(words[4], NULL, 10));
    } else if (count == 4 && strcmp(words[1], "list") == 0) {
        check_list(words[2], strtoul(words[3], NULL, 10));
    } else if (count == 3 && strcmp(words[1], "map") == 0) {
        shared = folder(words[2]);
        check_map();
    } else if (count == 3 && strcmp(words[1], "open") == 0) {
        shared = folder(words[2]);
        check_open();
    } else {
        fprintf(stderr, "usage: p9-check files DIR LOCAL OPERATIONS SEED | list DIR COUNT | map DIR | open DIR\n");
        return 2;
    }
    return 0;
}
