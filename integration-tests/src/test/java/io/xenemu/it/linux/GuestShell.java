package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.guest.CheckReport;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.Map;

/// The shell on a guest's console, one command at a time. The kernel's own messages stay in its log.
final class GuestShell {
    private final RunningCommand guest;
    private int boots;
    private int commands;

    GuestShell(RunningCommand guest) {
        this.guest = guest;
    }

    /// Waits until the guest has booted, once more when it was asked to before.
    void awaitBoot() throws IOException, InterruptedException {
        boots++;
        guest.awaitText("Run /init as init process", boots);
        // There may be any number of prompts from before: the first command is what a new shell
        // answers.
        guest.awaitText("Leave with: poweroff", boots);
        run("dmesg -n 1");
    }

    /// Runs a command to its end.
    ///
    /// @return what it printed; before it the command itself, as typed
    String run(String command) throws IOException, InterruptedException {
        commands++;
        int start = guest.output().length();
        guest.type(command + "; echo end of command $((" + commands + "))\n");
        guest.awaitText("end of command " + commands);
        return guest.output().substring(start);
    }

    /// Runs a program that reports checks, all of which must pass.
    void check(String command) throws IOException, InterruptedException {
        String output = run(command);
        CheckReport report = CheckReport.parse(output);
        assertEquals(Map.of(), report.failed(), output);
        assertTrue(report.complete(), output);
    }

    /// The kernel has not complained of anything.
    void assertNoComplaint() throws IOException, InterruptedException {
        String log = run("dmesg");
        for (String complaint :
                new String[] {
                    "WARNING: CPU:",
                    "BUG:",
                    "Call Trace",
                    "detected stall",
                    "soft lockup",
                    "blocked for more than"
                }) {
            assertFalse(log.contains(complaint), () -> complaint + "\n" + log);
        }
    }
}
