package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;
import static io.xenemu.xenstore.wire.MessageType.DIRECTORY;
import static io.xenemu.xenstore.wire.MessageType.DIRECTORY_PART;
import static io.xenemu.xenstore.wire.MessageType.GET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.RM;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.UNWATCH;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.wire.MessageType;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Requests on the tree.
final class RequestTest extends RequestRig {
    @Test
    void writtenValueIsRead() {
        assertEquals(OK, dom0.ask(WRITE, "/a\0value"));
        assertEquals("value", dom0.ask(READ, "/a\0"));
    }

    @Test
    void binaryValueIsKeptWithNulsAndAllBytes() {
        StringBuilder all = new StringBuilder();
        IntStream.range(0, 256).forEach(b -> all.append((char) b));
        dom0.ask(WRITE, "/a\0" + all);
        assertEquals(all.toString(), dom0.ask(READ, "/a\0"));
    }

    @Test
    void writeCreatesParentsWithEmptyValues() {
        dom0.ask(WRITE, "/a/b/c\0x");
        assertEquals("", dom0.ask(READ, "/a/b\0"));
        assertEquals("b\0", dom0.ask(DIRECTORY, "/a\0"));
    }

    @Test
    void mkdirOfExistingNodeKeepsItsValue() {
        dom0.ask(WRITE, "/a\0x");
        assertEquals(OK, dom0.ask(MKDIR, "/a\0"));
        assertEquals("x", dom0.ask(READ, "/a\0"));
    }

    @Test
    void missingNodeIsEnoent() {
        for (MessageType type : List.of(READ, DIRECTORY, GET_PERMS)) {
            assertEquals("ENOENT", dom0.ask(type, "/missing\0"), type.name());
        }
        assertEquals("ENOENT", dom0.ask(SET_PERMS, "/missing\0n0\0"));
        assertEquals("ENOENT", dom0.ask(DIRECTORY_PART, "/missing\0" + "0\0"));
    }

    @Test
    void rmRemovesEverythingBelow() {
        dom0.ask(WRITE, "/a/b/c\0x");
        assertEquals(OK, dom0.ask(RM, "/a\0"));
        assertEquals("ENOENT", dom0.ask(READ, "/a/b/c\0"));
        assertEquals("ENOENT", dom0.ask(READ, "/a\0"));
    }

    @Test
    void rmOfMissingNodeIsNoErrorIfItsParentExists() {
        dom0.ask(MKDIR, "/a\0");
        assertEquals(OK, dom0.ask(RM, "/a/missing\0"));
        assertEquals("ENOENT", dom0.ask(RM, "/a/missing/below\0"));
    }

    @Test
    void rmOfRootIsEinval() {
        assertEquals("EINVAL", dom0.ask(RM, "/\0"));
    }

    @Test
    void directoryListsInOrderOfCreation() {
        for (String name : List.of("z", "a", "10", "9")) {
            dom0.ask(WRITE, "/d/" + name + "\0");
        }
        dom0.ask(WRITE, "/d/a\0changed");
        assertEquals("z\0a\0" + "10\0" + "9\0", dom0.ask(DIRECTORY, "/d\0"));
        dom0.ask(RM, "/d/a\0");
        dom0.ask(MKDIR, "/d/a\0");
        assertEquals("z\0" + "10\0" + "9\0a\0", dom0.ask(DIRECTORY, "/d\0"));
    }

    @Test
    void directoryOverThePayloadLimitIsE2bigAndReadInParts() {
        StringBuilder expected = new StringBuilder();
        for (int i = 0; i < 700; i++) {
            String name = "child-" + i;
            dom0.ask(MKDIR, "/d/" + name + "\0");
            expected.append(name).append('\0');
        }
        assertEquals("E2BIG", dom0.ask(DIRECTORY, "/d\0"));
        StringBuilder listed = new StringBuilder();
        String generation = "";
        while (true) {
            String part = dom0.ask(DIRECTORY_PART, "/d\0" + listed.length() + "\0");
            assertTrue(part.length() <= 4096, "part of " + part.length());
            int end = part.indexOf('\0') + 1;
            assertTrue(generation.isEmpty() || generation.equals(part.substring(0, end)));
            generation = part.substring(0, end);
            String names = part.substring(end);
            if (names.endsWith("\0\0") || names.equals("\0")) {
                listed.append(names, 0, names.length() - 1);
                break;
            }
            listed.append(names);
        }
        assertEquals(expected.toString(), listed.toString());
        assertEquals(generation + "\0", dom0.ask(DIRECTORY_PART, "/d\0" + "9999999\0"));
    }

    @Test
    void generationChangesWithTheNodeButNotWithItsChildrensValues() {
        dom0.ask(MKDIR, "/d/x\0");
        String before = dom0.ask(DIRECTORY_PART, "/d\0" + "0\0");
        dom0.ask(WRITE, "/d/x\0value");
        assertEquals(before, dom0.ask(DIRECTORY_PART, "/d\0" + "0\0"));
        dom0.ask(MKDIR, "/d/y\0");
        dom0.ask(RM, "/d/y\0");
        assertNotEquals(before, dom0.ask(DIRECTORY_PART, "/d\0" + "0\0"));
    }

    @Test
    void permissionsAreSetInheritedAndListed() {
        rig.existing.add(new DomId(3));
        dom0.ask(MKDIR, "/a\0");
        assertEquals("n0\0", dom0.ask(GET_PERMS, "/a\0"));
        assertEquals(OK, dom0.ask(SET_PERMS, "/a\0r3\0b0\0"));
        assertEquals("r3\0b0\0", dom0.ask(GET_PERMS, "/a\0"));
        dom0.ask(MKDIR, "/a/b/c\0");
        assertEquals("r3\0b0\0", dom0.ask(GET_PERMS, "/a/b/c\0"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/a\0x0\0",
                "/a\0n\0",
                "/a\0nx\0",
                "/a\0n65536\0",
                "/a\0",
                "/a",
                "/a\0n0",
                "/a\0n-1\0"
            })
    void malformedSetPermsIsEinval(String payload) {
        dom0.ask(MKDIR, "/a\0");
        assertEquals("EINVAL", dom0.ask(SET_PERMS, payload));
    }

    @Test
    void ownerThatDoesNotExistIsEnoent() {
        dom0.ask(MKDIR, "/a\0");
        assertEquals("ENOENT", dom0.ask(SET_PERMS, "/a\0n77\0"));
        assertEquals(OK, dom0.ask(SET_PERMS, "/a\0n0\0r77\0"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "\0",
                "/a",
                "/a/\0",
                "//\0",
                "/a//b\0",
                "/a b\0",
                "/\u00e4\0",
                "/a.b\0",
                "@x\0",
                "/a\0\0",
                "a//b\0"
            })
    void malformedPathIsEinval(String payload) {
        for (MessageType type : List.of(READ, DIRECTORY, MKDIR, RM)) {
            assertEquals("EINVAL", dom0.ask(type, payload), type.name());
        }
    }

    @Test
    void pathsUpToTheLimitAreTaken() {
        String longest = "/" + "a".repeat(3071);
        assertEquals(OK, dom0.ask(WRITE, longest + "\0x"));
        assertEquals("x", dom0.ask(READ, longest + "\0"));
        assertEquals("EINVAL", dom0.ask(WRITE, longest + "a\0x"));
        assertEquals(OK, dom0.ask(WRITE, "b".repeat(2048) + "\0x"));
        assertEquals("EINVAL", dom0.ask(WRITE, "b".repeat(2049) + "\0x"));
    }

    @Test
    void relativePathOnASocketIsDomain0s() {
        dom0.ask(WRITE, "x/y\0value");
        assertEquals("value", dom0.ask(READ, "/local/domain/0/x/y\0"));
    }

    @Test
    void deepTreeIsBuiltWatchedListedAndRemovedOnASmallStack() throws InterruptedException {
        String deep = "/a".repeat(1536);
        List<String> answers = new ArrayList<>();
        Thread small =
                new Thread(
                        null,
                        () -> {
                            answers.add(dom0.ask(WRITE, deep + "\0bottom"));
                            answers.add(dom0.ask(WATCH, deep + "\0t\0"));
                            answers.add(dom0.ask(CONTROL, "check\0"));
                            answers.add(dom0.ask(READ, deep + "\0"));
                            answers.add(dom0.ask(RM, "/a\0"));
                            answers.add(dom0.ask(UNWATCH, deep + "\0t\0"));
                        },
                        "small",
                        256 * 1024);
        small.start();
        small.join();
        assertEquals(List.of(OK, OK, OK, "bottom", OK, OK), answers);
    }
}
