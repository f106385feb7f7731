// Runs a VMM and passes its output on. To each line `end CELL ...` that its guest prints (see device-load) it appends the seconds of
// CPU that the VMM has taken since `begin CELL`, in all of its threads but those of vCPUs: device-watch COMMAND...
// A vCPU's thread is named `domN-vcpuM` or, by QEMU with debug-threads=on, `CPU N/KVM`.
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// Nanoseconds on a CPU, of a thread that has not ended.
static double on_cpu(const char *process, const char *thread)
{
    char path[128];
    double time = 0;
    snprintf(path, sizeof path, "/proc/%.20s/task/%.20s/schedstat", process, thread);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%lf", &time) != 1)
            time = 0;
        fclose(file);
    }
    return time;
}

static int is_vcpu(const char *process, const char *thread)
{
    char path[128], name[64] = "";
    snprintf(path, sizeof path, "/proc/%.20s/task/%.20s/comm", process, thread);
    FILE *file = fopen(path, "r");
    if (file) {
        if (!fgets(name, sizeof name, file))
            name[0] = 0;
        fclose(file);
    }
    return strstr(name, "-vcpu") || strstr(name, "/KVM");
}

// Nanoseconds on a CPU of a whole process, with threads that have ended.
static double of_process(const char *process)
{
    char path[64], line[1024] = "";
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%.20s/stat", process);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = 0;
    // The name before it may contain anything.
    char *rest = strrchr(line, ')');
    if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (user + system) * (1e9 / sysconf(_SC_CLK_TCK));
}

static double without_vcpus(const char *process)
{
    char path[64];
    double sum = of_process(process);
    snprintf(path, sizeof path, "/proc/%.20s/task", process);
    DIR *threads = opendir(path);
    for (struct dirent *entry; threads && (entry = readdir(threads));)
        if (isdigit(entry->d_name[0]) && is_vcpu(process, entry->d_name))
            sum -= on_cpu(process, entry->d_name);
    if (threads)
        closedir(threads);
    return sum;
}

// Of all processes in the group of the VMM, which is its leader.
static double all(pid_t group)
{
    double sum = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));)
        if (isdigit(entry->d_name[0]) && getpgid(atoi(entry->d_name)) == group)
            sum += without_vcpus(entry->d_name);
    if (processes)
        closedir(processes);
    return sum;
}

int main(int argc, char **argv)
{
    int output[2];
    if (argc < 2 || pipe(output)) {
        fprintf(stderr, "usage: device-watch COMMAND...\n");
        return 2;
    }
    pid_t vmm = fork();
    if (!vmm) {
        setpgid(0, 0);
        dup2(output[1], 1);
        close(output[0]);
        close(output[1]);
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    setpgid(vmm, vmm);
    close(output[1]);
    FILE *lines = fdopen(output[0], "r");
    char line[4096];
    double before = 0;
    while (fgets(line, sizeof line, lines)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!strncmp(line, "begin ", 6))
            before = all(vmm);
        if (!strncmp(line, "end ", 4))
            printf("%s %.6f\n", line, (all(vmm) - before) / 1e9);
        else
            printf("%s\n", line);
        fflush(stdout);
    }
    int status = 0;
    waitpid(vmm, &status, 0);
    // The peer's may die of a signal when its guest powers off.
    printf("exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
