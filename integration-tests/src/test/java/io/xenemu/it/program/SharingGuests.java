package io.xenemu.it.program;

import com.google.errorprone.annotations.FormatMethod;
import io.xenemu.core.domain.ShutdownReason;
import java.nio.file.Path;
import java.util.List;

/// A service with guests that grant pages to each other. A program for inside the lab; `SharingGuestsIT` runs it. Its
/// argument is the guest; it plays [Scenarios]:
///
/// | words | what happens |
/// |---|---|
/// | `share` | one guest maps pages of another, for writing and for reading; a third one tries to |
/// | `death` | the one that maps ends by a triple fault, then the one that grants is destroyed |
/// | `attack SEED` | as [HostileGuest] says |
///
/// A scenario fails if anything is not as it should be.
public final class SharingGuests {
    private static final int A = 1;
    private static final int B = 2;
    private static final int C = 3;
    private static final String HOLE = "0x60000000";
    private static final long NOTHING = 0xffff_ffffL;

    // GNTMAP_*, GTF_* and GNTST_* of Xen's grant_table.h.
    private static final int WRITABLE = 2;
    private static final int READ_ONLY = 6;
    private static final int PERMIT = 1;
    private static final int ENTRY_READ_ONLY = 4;
    private static final int READING = 8;
    private static final int WRITING = 16;
    private static final int OKAY = 0;
    private static final int GENERAL_ERROR = -1;
    private static final int BAD_DOMAIN = -2;
    private static final int BAD_HANDLE = -4;
    private static final int BAD_PAGE = -9;
    private static final long PAGE = 4096;

    /// A guest's special pages, which stay as long as anything of it.
    private static final long SPECIAL_BYTES_AT_MOST = 1 << 20;

    private static final long LIMIT_MILLIS = 60_000;

    private static final int GENERAL_PROTECTION = 13;

    private final SharingService service;

    private SharingGuests(SharingService service) {
        this.service = service;
    }

    public static void main(String[] args) throws Exception {
        Path guest = Path.of(args[0]);
        Scenarios.serve(words -> play(guest, words));
    }

    private static void play(Path guest, List<String> words) throws Exception {
        try (SharingService service = new SharingService(guest)) {
            SharingGuests guests = new SharingGuests(service);
            switch (words.getFirst()) {
                case "share" -> guests.share();
                case "death" -> guests.death();
                case "attack" -> new HostileGuest(service, Long.parseLong(words.get(1))).attack();
                default -> throw new IllegalArgumentException(words.getFirst());
            }
        }
    }

    @FormatMethod
    private static long handle(ServiceGuest guest, String form, Object... arguments)
            throws InterruptedException {
        List<Long> answer = guest.ask(form, arguments);
        require(OKAY, answer.getFirst(), "status of " + form.formatted(arguments));
        return answer.getLast();
    }

    static void require(long expected, long actual, String what) {
        if (expected != actual) {
            throw new IllegalStateException(what + ": " + actual + ", not " + expected);
        }
    }

    /// Grants a page that holds `value`, by reference `ref`, and gives its address.
    private static long grant(
            ServiceGuest guest, int page, int value, int ref, int to, int entryFlags)
            throws InterruptedException {
        long gpa = guest.askOne("page %d", page);
        guest.ask("fill %d %d", page, value);
        guest.ask("grant %d %d %d %d", ref, to, gpa, entryFlags);
        return gpa;
    }

    private void share() throws Exception {
        try (ServiceGuest a = service.start("a");
                ServiceGuest b = service.start("b");
                ServiceGuest c = service.start("c")) {
            require(A, a.askOne("own"), "domain id");
            require(B, b.askOne("own"), "domain id");
            long page = grant(a, 0, 1000, 16, B, 0);
            grant(a, 1, 2000, 17, C, ENTRY_READ_ONLY);
            long ram = b.askOne("page 5");
            b.ask("fill 5 777");

            long inRam = handle(b, "map %d 16 %d %d", A, ram, WRITABLE);
            long inHole = handle(b, "map %d 16 %s %d", A, HOLE, WRITABLE);
            require(PERMIT | READING | WRITING, a.askOne("flags 16"), "flags in use");
            require(0, a.askOne("revoke 16"), "revocation in use");
            bothSeeWrites(a, b, page, ram);
            bothSeeWrites(a, b, page, Long.decode(HOLE));
            strangerIsRefused(c, inRam);
            readerOnlyReads(a, c);
            notGrantedOn(b, c);

            require(OKAY, b.askOne("unmap %d %d", inRam, ram), "unmap");
            require(777, b.askOne("read %d", ram), "what was in RAM");
            require(PERMIT | READING | WRITING, a.askOne("flags 16"), "flags while still mapped");
            require(OKAY, b.askOne("unmap %d %s", inHole, HOLE), "unmap");
            require(NOTHING, b.askOne("read " + HOLE), "what was in the hole");
            require(1, a.askOne("revoke 16"), "revocation");
            require(
                    GENERAL_ERROR,
                    b.askOne("map %d 16 %s %d", A, HOLE, WRITABLE),
                    "map of what was revoked");
            meters();
            transitive(a, b, c);
        }
        System.out.println("share: done");
    }

    private static void bothSeeWrites(ServiceGuest a, ServiceGuest b, long page, long mapped)
            throws InterruptedException {
        require(0, b.askOne("write %d 31", mapped), "write by the one that maps");
        require(31, a.askOne("read %d", page), "what the one that grants sees");
        require(0, a.askOne("write %d 32", page + 4092), "write by the one that grants");
        require(32, b.askOne("read %d", mapped + 4092), "what the one that maps sees");
    }

    private static void strangerIsRefused(ServiceGuest c, long handle) throws InterruptedException {
        require(
                GENERAL_ERROR,
                c.askOne("map %d 16 %s %d", A, HOLE, WRITABLE),
                "map by one to whom nothing was granted");
        require(
                GENERAL_ERROR,
                c.askOne("map %d 16 %s %d", A, HOLE, READ_ONLY),
                "read-only map by the same");
        require(GENERAL_ERROR, c.askOne("copy %d 16 7", A), "copy by the same");
        require(BAD_HANDLE, c.askOne("unmap %d %s", handle, HOLE), "unmap of another's handle");
    }

    private void readerOnlyReads(ServiceGuest a, ServiceGuest c) throws InterruptedException {
        require(
                GENERAL_ERROR,
                c.askOne("map %d 17 %s %d", A, HOLE, WRITABLE),
                "map for writing of what is read-only");
        require(0, service.gauge("xen.gnttab.maptrack", C), "mappings of the third guest");
        long reader = handle(c, "map %d 17 %s %d", A, HOLE, READ_ONLY);
        require(1, service.gauge("xen.gnttab.maptrack", C), "mappings of the third guest");
        require(3, service.gauge("xen.gnttab.mappings", A), "mappings of what A grants");
        require(2000, c.askOne("read " + HOLE), "what the reader sees");
        require(GENERAL_PROTECTION, c.askOne("write %s 5", HOLE), "write by the reader");
        require(0, a.askOne("unlike 1 2000"), "words that the reader has changed");
        require(PERMIT | ENTRY_READ_ONLY | READING, a.askOne("flags 17"), "flags of the reader");
        require(OKAY, c.askOne("copy %d 17 7", A), "copy by the reader");
        require(0, c.askOne("unlike 7 2000"), "words of the copy");
        require(OKAY, c.askOne("unmap %d %s", reader, HOLE), "unmap by the reader");
    }

    /// B has A's page at that address, which is not B's to grant.
    private static void notGrantedOn(ServiceGuest b, ServiceGuest c) throws InterruptedException {
        b.ask("grant 20 %d %s 0", C, HOLE);
        require(
                BAD_PAGE,
                c.askOne("map %d 20 %s %d", B, HOLE, READ_ONLY),
                "map of what is not the granter's own");
        require(BAD_PAGE, c.askOne("copy %d 20 7", B), "copy of the same");
    }

    private void meters() {
        require(0, service.gauge("xen.gnttab.mappings", A), "mappings of what A grants");
        require(0, service.gauge("xen.gnttab.maptrack", B), "B's mappings");
        require(0, service.gauge("xen.gnttab.maptrack", C), "C's mappings");
        require(2, service.operations(B, "map", "OK"), "B's maps");
        require(1, service.operations(B, "map", "GENERAL_ERROR"), "B's maps that failed");
        require(2, service.operations(B, "unmap", "OK"), "B's unmaps");
        require(3, service.operations(C, "map", "GENERAL_ERROR"), "C's maps that failed");
        require(1, service.operations(C, "map", "BAD_PAGE"), "C's maps of a foreign page");
        require(1, service.operations(C, "map", "OK"), "C's maps");
        require(1, service.operations(C, "unmap", "BAD_HANDLE"), "C's bad handles");
        require(1, service.operations(C, "copy", "GENERAL_ERROR"), "C's copies that failed");
        require(4096, service.counter("xen.gnttab.copied", C), "bytes that C copied");
    }

    /// C copies by B's reference what A grants to B, until A takes that back.
    private static void transitive(ServiceGuest a, ServiceGuest b, ServiceGuest c)
            throws InterruptedException {
        grant(a, 3, 4000, 19, B, ENTRY_READ_ONLY);
        require(OKAY, b.askOne("version 2"), "version 2");
        b.ask("transitive 30 %d %d 19", C, A);
        require(OKAY, c.askOne("copy %d 30 7", B), "copy by a transitive grant");
        require(0, c.askOne("unlike 7 4000"), "words of that copy");
        require(PERMIT | ENTRY_READ_ONLY, a.askOne("flags 19"), "flags behind it");
        require(0, b.askOne("status 30"), "its status");
        require(
                GENERAL_ERROR,
                c.askOne("map %d 30 %s %d", B, HOLE, READ_ONLY),
                "map of a transitive grant");
        require(GENERAL_ERROR, c.askOne("copy %d 19 7", A), "copy of what is behind it");
        require(GENERAL_ERROR, a.askOne("copy %d 30 7", B), "copy by one who may not");
        require(1, a.askOne("revoke 19"), "revocation");
        require(GENERAL_ERROR, c.askOne("copy %d 30 7", B), "copy after the revocation");
    }

    private void death() throws Exception {
        try (ServiceGuest c = mapperDies()) {
            require(0, SharingService.tracesOfRam("b"), "traces of the dead mapper's RAM");
            require(9000, c.askOne("read " + HOLE), "page of the dead");
            require(0, c.askOne("write %s 9001", HOLE), "write to the page of the dead");
            require(9001, c.askOne("read " + HOLE), "page of the dead");
            require(
                    BAD_DOMAIN,
                    c.askOne("map %d 18 0x60001000 %d", A, READ_ONLY),
                    "map from the dead");
            if (SharingService.tracesOfRam("a") == 0) {
                throw new IllegalStateException("the page of the dead is nowhere");
            }
            require(PAGE, SharingService.allocatedRam("a"), "what the dead granter leaves");
            long dead = service.gauge("xen.gnttab.dead");
            if (dead < PAGE || dead > PAGE + SPECIAL_BYTES_AT_MOST) {
                throw new IllegalStateException("memory of the dead: " + dead);
            }
            require(OKAY, c.askOne("unmap 0 " + HOLE), "unmap of the page of the dead");
            require(NOTHING, c.askOne("read " + HOLE), "what is left of it");
            awaitNoTraceOf("a");
            require(0, service.gauge("xen.gnttab.dead"), "memory of the dead");
            require(0, service.gauge("xen.gnttab.maptrack", C), "mappings of the survivor");
            require(BAD_HANDLE, c.askOne("unmap 0 " + HOLE), "second unmap");
        }
        System.out.println("death: survived");
    }

    /// A thread of the service frees the last of a domain.
    private static void awaitNoTraceOf(String name) throws Exception {
        for (long i = 0; SharingService.tracesOfRam(name) != 0; i++) {
            if (i == LIMIT_MILLIS) {
                throw new IllegalStateException("traces of the dead granter's RAM");
            }
            Thread.sleep(1);
        }
    }

    /// B maps pages of A, and ends by a triple fault; then C maps one, and A is destroyed.
    ///
    /// @return C
    private ServiceGuest mapperDies() throws Exception {
        try (ServiceGuest a = service.start("a")) {
            try (ServiceGuest b = service.start("b")) {
                grant(a, 0, 1000, 16, B, 0);
                grant(a, 1, 1000, 17, B, 0);
                handle(b, "map %d 16 %d %d", A, b.askOne("page 5"), WRITABLE);
                handle(b, "map %d 16 %s %d", A, HOLE, READ_ONLY);
                handle(b, "map %d 17 0x60001000 %d", A, READ_ONLY);
                b.tell("triple-fault");
                b.awaitEnd(ShutdownReason.TRIPLE_FAULT);
            }
            require(PERMIT, a.askOne("flags 16"), "flags after the mapper's death");
            require(PERMIT, a.askOne("flags 17"), "flags after the mapper's death");
            require(0, service.gauge("xen.gnttab.mappings", A), "mappings after its death");
            require(1, a.askOne("revoke 16"), "revocation after its death");
            ServiceGuest c = service.start("c");
            grant(a, 2, 9000, 18, C, 0);
            require(0, handle(c, "map %d 18 %s %d", A, HOLE, WRITABLE), "first handle");
            return c;
        }
    }
}
