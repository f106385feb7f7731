package io.xenemu.it.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.GuestRunner;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The stages of a start, from the command to the guest's process 1. Prints when the VMM made its VM and first entered
/// the guest, and when the guest's kernel began and ran `/init`. Also prints the VMM's CPU time and page faults, and
/// KVM's exits by reason.
///
/// Ours runs with each setting of the host for shared memory: with small pages, as Linux has it by default, and with
/// huge ones, as it has for the peer's private memory.
///
/// Times of the VMM are those of tracepoints in the lab machine's kernel. The guest's kernel counts from its own
/// beginning, which is taken from its uptime when it says that process 1 is there.
final class StartupStages {
    /// Arguments: the name to print, the value of `shmem_enabled`, and the command. A guest that does not come up is
    /// killed after 90 s, and the measurement fails.
    private static final String SCRIPT =
            """
            name=$1 huge=$2; shift 2
            t=/run/trace
            mkdir -p $t
            [ -e $t/trace ] || mount -t tracefs trace $t
            cd $t
            echo 0 >tracing_on; echo >trace; echo 1 >options/overwrite
            echo mono >trace_clock
            echo $huge >/sys/kernel/mm/transparent_hugepage/shmem_enabled
            for event in kvm/kvm_exit kvm/kvm_userspace_exit; do
                echo 0 >events/$event/enable
                echo '!hist:keys=exit_reason' >>events/$event/trigger 2>/dev/null || :
                echo '!hist:keys=reason' >>events/$event/trigger 2>/dev/null || :
            done
            echo 'hist:keys=exit_reason' >events/kvm/kvm_exit/trigger
            echo 'hist:keys=reason' >events/kvm/kvm_userspace_exit/trigger
            echo 'cmd == 0xae01 || cmd == 0xae80' >events/syscalls/sys_enter_ioctl/filter
            echo 1 >events/syscalls/sys_enter_ioctl/enable
            echo 1 >tracing_on
            exec perl -e '
                use Time::HiRes qw(clock_gettime); my ($name, @command) = @ARGV;
                my $begin = clock_gettime(1);
                my $pid = open(my $out, "-|");
                $SIG{ALRM} = sub { kill 9, $pid }; alarm 90;
                unless ($pid) { open STDERR, ">/dev/null"; exec @command; exit 1 }
                my ($up, @kernel);
                while (<$out>) {
                    s/\\r//g; $up = $1 if /^uptime ([0-9.]+)/; push @kernel, $_ if /^\\[/;
                    if (/process 1 is there/) { last }
                }
                $up or die "$name: the guest did not come up\\n";
                my $end = clock_gettime(1);
                open my $stat, "<", "/proc/$pid/stat"; my @f = split / /, (<$stat> =~ s/.*\\) //r);
                open my $trace, "<", "trace"; my ($vm, $entry) = (0, 0);
                while (<$trace>) {
                    /(\\d+\\.\\d+): sys_ioctl\\(.*cmd: (0x)?ae01/ and $vm ||= $1;
                    /(\\d+\\.\\d+): sys_ioctl\\(.*cmd: (0x)?ae80/ and $entry ||= $1;
                }
                printf "%s: VM %.2f, entry %.2f, kernel %.2f, end %.2f s;  ", $name,
                    $vm - $begin, $entry - $begin, $end - $up - $begin, $end - $begin;
                printf "user %.2f, system %.2f s; faults %d minor, %d major\\n",
                    $f[11] / 100, $f[12] / 100, $f[7], $f[9];
                print "  guest $_" for @kernel;
                for my $event ("kvm_exit", "kvm_userspace_exit") {
                    open my $hist, "<", "events/kvm/$event/hist";
                    my @lines = map { /\\{ *\\w*reason: *([^}]*?) *\\} hitcount: *(\\d+)/ ? "$1 $2" : () }
                        <$hist>;
                    print "  $event: ", join(", ", reverse @lines), "\\n";
                }
                kill 9, $pid; waitpid $pid, 0;
            ' "$name" "$@"
            """;

    private StartupStages() {}

    /// What the guest does as its process 1's only work, before the line that ends a measurement.
    static String guestCommand(String reached) {
        return "read up idle </proc/uptime; echo uptime $up; dmesg | grep -e 'Run /init' -e 'Linux version'"
                + " -e 'Brought up' -e 'Freeing'; echo "
                + reached
                + "; sleep 1000";
    }

    /// Measures each side once and prints it.
    static void measure(LabMachine machine, List<String> ours, List<String> peer)
            throws IOException, InterruptedException {
        measure(machine, "ours, small pages", "never", ours);
        measure(machine, "ours, huge pages on demand", "advise", ours);
        measure(machine, "ours, huge pages within the size", "within_size", ours);
        measure(machine, "ours, huge pages always", "always", ours);
        measure(machine, "peer", "never", peer);
    }

    private static void measure(
            LabMachine machine, String name, String sharedHugePages, List<String> command)
            throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(List.of("/bin/sh", "-c", SCRIPT, "stages"));
        all.addAll(List.of(name, sharedHugePages));
        all.addAll(command);
        Process shell = machine.start(all, Path.of("").toAbsolutePath(), GuestRunner.ENVIRONMENT);
        Thread messages =
                Thread.ofVirtual()
                        .start(() -> shell.errorReader().lines().forEach(System.err::println));
        System.out.print(new String(shell.getInputStream().readAllBytes(), UTF_8));
        System.out.flush();
        int code = shell.waitFor();
        messages.join();
        if (code != 0) {
            throw new IOException(name + ": exit code " + code);
        }
    }
}
