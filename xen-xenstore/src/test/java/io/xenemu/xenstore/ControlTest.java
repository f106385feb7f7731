package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;
import static io.xenemu.xenstore.wire.MessageType.GET_QUOTA;
import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.RM;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.store.Watch;
import io.xenemu.xenstore.tree.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The commands of CONTROL, with the answers of C xenstored.
class ControlTest {
    private static final String OK = "OK\0";

    private final Rig rig = new Rig();
    private final Rig.Client dom0 = rig.client(0);

    @AfterEach
    void close() {
        rig.close();
    }

    private String control(String words) {
        return dom0.ask(CONTROL, words.replace(' ', '\0') + "\0");
    }

    @Test
    void helpNamesAllCommands() {
        assertEquals(
                """
                check          \s
                help           \s
                log             [on|off]
                memreport      \s
                print           <string>
                quota           [set <name> <val>|<domid>|max [-r]]
                quota-soft      [set <name> <val>]
                """
                        + "\0",
                control("help"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nonsense",
                "help me",
                "check it",
                "print",
                "print two words",
                "log maybe",
                "log on off",
                "memreport /tmp/file",
                "quota set nodes",
                "quota set nodes 0",
                "quota set nodes -5",
                "quota set nodes x",
                "quota set nonsense 5",
                "quota set soft-memory 5",
                "quota max -x",
                "quota abc",
                "quota 3 4",
                "quota-soft set nodes 5",
                "quota-soft get memory",
                "quota-soft memory"
            })
    void malformedCommandsAreEinval(String words) {
        assertEquals("EINVAL", control(words));
    }

    @Test
    void logOfRequestsIsSwitchedOnAndOffAndShown() {
        assertEquals("Log switch settings:\nrequests: off\n\0", control("log"));
        assertEquals(OK, control("log on"));
        assertEquals("Log switch settings:\nrequests: on\n\0", control("log"));
        assertEquals("ENOENT", dom0.ask(READ, "/none\0"));
        assertEquals(OK, control("log off"));
        assertEquals("Log switch settings:\nrequests: off\n\0", control("log"));
    }

    @Test
    void quotaShowsAndSetsTheLimitsOfNewDomains() {
        assertEquals(
                """
                Quota settings:
                nodes            :     1000 Nodes per domain
                watches          :      128 Watches per domain
                outstanding      :       20 Outstanding requests per domain
                memory           :  2621440 Total Xenstore memory per domain (error level)
                transactions     :       10 Active transactions per domain
                transaction-nodes:     1024 Max. number of accessed nodes per transaction
                node-permissions :        5 Max. number of permissions per node
                path-max         :     2048 Max. length of a node path
                node-size        :     2048 Max. size of a node
                """
                        + "\0",
                control("quota"));
        assertEquals(OK, control("quota set watches 7"));
        assertEquals("7\0", dom0.ask(GET_QUOTA, "watches\0"));
        assertEquals(OK, control("quota-soft set memory 1000"));
        assertEquals(
                """
                Quota settings:
                memory           :     1000 Total Xenstore memory per domain (warning level)
                """
                        + "\0",
                control("quota-soft"));
    }

    @Test
    void quotaOfADomainShowsItsUseAndItsMaximum() {
        assertEquals("ENOENT", control("quota 3"));
        rig.guest(3);
        Rig.Client guest = rig.client(3);
        dom0.ask(MKDIR, "/d\0");
        dom0.ask(SET_PERMS, "/d\0n3\0");
        guest.ask(MKDIR, "/d/a\0");
        guest.ask(WATCH, "/d\0t\0");
        guest.begin();
        guest.ask(RM, "/d/a\0");
        assertEquals(
                """
                Domain 3:
                nodes            :        1 (max        2)
                watches          :        1 (max        1)
                outstanding      :        0 (max        0)
                memory           :     1660 (max     1693)
                transactions     :        1 (max        1)
                transaction-nodes:        0 (max        0)
                node-permissions :        0 (max        0)
                path-max         :        0 (max        4)
                node-size        :        0 (max       34)
                """
                        + "\0",
                control("quota 3"));
        rig.server.release(new DomId(3));
        assertEquals("ENOENT", control("quota 3"));
        assertTrue(control("quota max").contains("nodes            :        2\n"));
        assertTrue(control("quota max -r").contains("nodes            :        0\n"));
    }

    @Test
    void memoryReportListsEachDomain() {
        rig.guest(3);
        dom0.ask(MKDIR, "/d\0");
        dom0.ask(WATCH, "/d\0t\0");
        String report = control("memreport");
        int watch = new Watch.Key(Path.of("/d"), new byte[1]).bytes();
        assertEquals(
                "nodes: 2, bytes: 65, watches: 1, transactions: 0, kept for them: 0\n"
                        + ("domain 0: " + (65 + watch) + "\ndomain 3: 0\n\0"),
                report);
    }

    @Test
    void memoryReportOfManyDomainsFitsAMessage() {
        for (int domain = 1; domain <= 400; domain++) {
            rig.client(domain);
        }
        String report = control("memreport");
        assertTrue(report.length() <= 4096, "length: " + report.length());
        assertTrue(report.endsWith(" more\n\0"), report);
    }
}
