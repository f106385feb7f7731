package io.xenemu.it.program;

import static io.xenemu.it.program.SharingGuests.require;

import java.util.List;
import java.util.Locale;

/// A guest that calls GNTTABOP operations with random arguments (`src/guest/share/attack.c`). Meanwhile its granter
/// keeps taking the pages back, and a third guest goes about its business. Then the hostile guest maps until it is
/// refused, and is destroyed.
///
/// @param seed of its random numbers
record HostileGuest(SharingService service, long seed) {
    private static final int GRANTER = 1;
    private static final int BYSTANDER = 2;
    private static final int HOSTILE = 3;
    private static final int ROUNDS = 120;

    // Pages and references of the granter; the other pages are its secrets.
    private static final int PAGES = 256;
    private static final int RECYCLED = 48;
    private static final int FIRST_REF = 16;
    private static final int BYSTANDERS_PAGE = 48;
    private static final int BYSTANDERS_REF = 100;
    private static final int MANY_PAGE = 49;
    private static final int FIRST_SECRET = 50;
    private static final int MANY_REF = 128;
    private static final int MANY_REFS = 120;

    private static final int PUBLIC = 0x11000000;
    private static final int MANY = 10_000;
    private static final int GENERAL_ERROR = -1;
    private static final String BYSTANDERS_GPA = "0x60000000";
    private static final String MANY_GPA = "0x68000000";

    void attack() throws Exception {
        try (ServiceGuest granter = service.start("granter")) {
            try (ServiceGuest bystander = service.start("bystander")) {
                prepare(granter, bystander);
                try (ServiceGuest hostile = service.start("hostile")) {
                    duringTheAttack(granter, hostile, bystander);
                    mapUntilRefused(granter, hostile, bystander);
                }
                require(2, service.gauge("xen.gnttab.mappings", GRANTER), "mappings left");
                afterTheAttack(granter, bystander);
            }
            require(0, service.gauge("xen.gnttab.mappings", GRANTER), "mappings in the end");
            require(0, entriesInUse(granter), "entries in use in the end");
        }
        System.out.println("attack: survived");
    }

    private static void prepare(ServiceGuest granter, ServiceGuest bystander)
            throws InterruptedException {
        granter.ask("publish %d %d %d 0 1", HOSTILE, FIRST_REF, RECYCLED);
        granter.ask("publish %d %d 1 %d 0", BYSTANDER, BYSTANDERS_REF, BYSTANDERS_PAGE);
        require(
                0,
                bystander.askOne("map %d %d %s 2", GRANTER, BYSTANDERS_REF, BYSTANDERS_GPA),
                "map by the bystander");
    }

    private void duringTheAttack(ServiceGuest granter, ServiceGuest hostile, ServiceGuest bystander)
            throws InterruptedException {
        long start = System.nanoTime();
        granter.tell("recycle %d %d %d".formatted(HOSTILE, FIRST_REF, RECYCLED));
        hostile.tell("attack %d %d %d %d %d".formatted(seed, ROUNDS, GRANTER, FIRST_REF, RECYCLED));
        for (int value = 1; value <= 20; value++) {
            require(0, bystander.askOne("write %s %d", BYSTANDERS_GPA, value), "bystander's write");
            require(value, bystander.askOne("read " + BYSTANDERS_GPA), "what the bystander wrote");
        }
        List<Long> attacked = hostile.answer();
        List<Long> recycled = granter.ask("stop");
        System.out.printf(Locale.ROOT, "attacked for %.1f s%n", (System.nanoTime() - start) / 1e9);
        System.out.println(
                "violations, maps, mapped, unmapped, copied, writes, refused: " + attacked);
        System.out.println("recycled, in use, violations: " + recycled);
        require(0, attacked.getFirst(), "violations that the hostile guest saw");
        require(0, recycled.getLast(), "pages written to while they were not granted");
        requireMany(recycled.getFirst(), 100, "recycled references");
        requireMany(attacked.get(2), 1000, "maps that worked");
        requireMany(attacked.get(4), 100, "copies that worked");
        requireMany(attacked.getLast(), 100, "refused writes");
        meters(attacked);
    }

    private static void requireMany(long count, long atLeast, String what) {
        if (count < atLeast) {
            throw new IllegalStateException(what + ": only " + count);
        }
    }

    /// The service has counted what the hostile guest has.
    private void meters(List<Long> attacked) {
        long left = attacked.get(2) - attacked.get(3);
        require(attacked.get(1), service.operations(HOSTILE, "map", ""), "maps counted");
        require(attacked.get(2), service.operations(HOSTILE, "map", "OK"), "maps that worked");
        require(attacked.get(4), service.operations(HOSTILE, "copy", "OK"), "copies that worked");
        require(left, service.gauge("xen.gnttab.maptrack", HOSTILE), "mappings");
        require(left + 1, service.gauge("xen.gnttab.mappings", GRANTER), "the granter's mappings");
        for (String failure : List.of("GENERAL_ERROR", "BAD_DOMAIN", "BAD_GNTREF")) {
            requireMany(service.operations(HOSTILE, "map", failure), 10, failure);
        }
        requireMany(service.operations(HOSTILE, "copy", "BAD_COPY_ARG"), 10, "BAD_COPY_ARG");
        requireMany(service.operations(HOSTILE, "unmap", "BAD_HANDLE"), 10, "BAD_HANDLE");
    }

    /// Lets the hostile guest map until it is refused, which leaves the others room to map.
    private void mapUntilRefused(ServiceGuest granter, ServiceGuest hostile, ServiceGuest bystander)
            throws InterruptedException {
        granter.ask("publish %d %d %d %d 0", HOSTILE, MANY_REF, MANY_REFS, MANY_PAGE);
        long start = System.nanoTime();
        List<Long> filled =
                hostile.ask("fillup %d %d %d %s", GRANTER, MANY_REF, MANY_REFS, MANY_GPA);
        System.out.printf(
                Locale.ROOT,
                "mapped until refused: %s, %.1f s%n",
                filled,
                (System.nanoTime() - start) / 1e9);
        require(GENERAL_ERROR, filled.getFirst(), "status at the limit");
        requireMany(filled.getLast(), MANY, "mappings at the limit");
        require(
                PUBLIC | MANY_PAGE,
                hostile.askOne("read %d", Long.decode(MANY_GPA) + MANY * 4096L),
                "one of many");
        granter.ask("publish %d %d 1 %d 0", BYSTANDER, BYSTANDERS_REF + 1, MANY_PAGE);
        require(
                0,
                bystander.askOne("map %d %d 0x60001000 6", GRANTER, BYSTANDERS_REF + 1),
                "map by the bystander at the limit");
    }

    private void afterTheAttack(ServiceGuest granter, ServiceGuest bystander)
            throws InterruptedException {
        require(2, entriesInUse(granter), "entries in use");
        require(
                0,
                granter.askOne("changed %d %d", FIRST_SECRET, PAGES - FIRST_SECRET),
                "pages changed that were not granted");
        require(20, bystander.askOne("read " + BYSTANDERS_GPA), "bystander's page");
        require(0, bystander.askOne("unmap 0 " + BYSTANDERS_GPA), "unmap by the bystander");
    }

    private static long entriesInUse(ServiceGuest granter) throws InterruptedException {
        return granter.askOne("in-use %d %d", FIRST_REF, MANY_REF + MANY_REFS - FIRST_REF);
    }
}
