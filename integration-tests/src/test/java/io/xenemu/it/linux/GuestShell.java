package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.guest.CheckReport;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The shell on a guest's console, one command at a time. The kernel's own messages stay in its log.
final class GuestShell {
    /// One warning of the kernel's, whole.
    private static final Pattern WARNING =
            Pattern.compile("-+\\[ cut here ].*?---\\[ end trace ", Pattern.DOTALL);

    /// Linux's own, on every hypervisor: QEMU's Xen emulation makes it warn under the same load. A port's interrupt moves to
    /// another CPU, comes there while the first is still in its handler, and is marked as pending by
    /// `lateeoi_mask_ack_dynirq`, which lets go of `is_active`; the first CPU handles it without masking the port again, so
    /// that the next event finds it not enabled. No event is lost by that.
    private static final Pattern KNOWN_RACE =
            Pattern.compile(
                    "apparently not enabled.*at drivers/xen/evtchn.c:\\d+ evtchn_interrupt",
                    Pattern.DOTALL);

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
        // There may be prompts from before: the first command is what a new shell answers.
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

    /// The kernel has not complained of anything, but for [#KNOWN_RACE].
    void assertNoComplaint() throws IOException, InterruptedException {
        String log = run("dmesg");
        String judged = WARNING.matcher(log).replaceAll(GuestShell::unlessKnown);
        for (String complaint :
                new String[] {
                    "WARNING: CPU:",
                    "BUG:",
                    "Call Trace",
                    "detected stall",
                    "soft lockup",
                    "blocked for more than"
                }) {
            assertFalse(judged.contains(complaint), () -> complaint + "\n" + log);
        }
    }

    private static String unlessKnown(MatchResult warning) {
        String text = warning.group();
        return KNOWN_RACE.matcher(text).find() ? "" : Matcher.quoteReplacement(text);
    }
}
