package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The meaning of grants in its simplest form: lists to search, nothing counted, nothing cached. Ids are 1 to 3;
/// references 8 to 10; each page holds one number.
final class GrantModel {
    static final int FIRST_REF = GrantRef.RESERVED;
    static final int REFS = 3;

    enum Kind {
        NONE,
        PAGE,
        PART,
        OTHER_PART,
        TRANSITIVE
    }

    /// The contents of an entry, as a guest wrote it. For a transitive grant `gfn` is the reference behind it, in
    /// domain `behind`.
    record Grant(Kind kind, int to, boolean readOnly, long gfn, int behind) {}

    static final Grant NOTHING = new Grant(Kind.NONE, 0, false, 0, 0);

    /// A domain as long as anything of it is there.
    static final class Domain {
        final FakeDomain fake;
        int version = 1;
        boolean dead;
        final Grant[] grants = {NOTHING, NOTHING, NOTHING};
        final int[] words = new int[FakeDomain.RAM_PAGES];
        final Map<Long, Long> placed = new HashMap<>();

        Domain(FakeDomain fake) {
            this.fake = fake;
        }

        int id() {
            return fake.id.value();
        }
    }

    /// A mapping that lasts.
    record Live(
            Domain mapper,
            Domain granter,
            int ref,
            boolean readOnly,
            long gfn,
            long slot,
            int handle) {}

    /// A page that may be used, or why not.
    record Claim(GrantStatus status, @Nullable Domain owner, long gfn) {
        static Claim refused(GrantStatus status) {
            return new Claim(status, null, 0);
        }
    }

    final Map<Integer, Domain> byId = new HashMap<>();
    final List<Domain> all = new ArrayList<>();
    final List<Live> live = new ArrayList<>();

    Domain add(FakeDomain fake) {
        Domain domain = new Domain(fake);
        byId.put(domain.id(), domain);
        all.add(domain);
        return domain;
    }

    void kill(Domain domain) {
        domain.dead = true;
        byId.remove(domain.id());
        domain.placed.clear();
        live.removeIf(mapping -> mapping.mapper() == domain);
    }

    List<Live> uses(Domain granter, int ref) {
        return live.stream().filter(use -> use.granter() == granter && use.ref() == ref).toList();
    }

    int inUse(Domain granter, int ref) {
        int flags = 0;
        for (Live use : uses(granter, ref)) {
            flags |= Gtf.READING | (use.readOnly() ? 0 : Gtf.WRITING);
        }
        return flags;
    }

    /// Why the guest may not use one of its domain's pages, if so.
    private static GrantStatus page(Domain domain, long gfn) {
        if (domain.placed.containsKey(gfn)) {
            return GrantStatus.BAD_PAGE;
        }
        return gfn < FakeDomain.RAM_PAGES ? GrantStatus.OKAY : GrantStatus.BAD_PAGE;
    }

    /// The answer to `by`, which claims an entry.
    Claim claim(Domain granter, int ref, int by, boolean readOnly, boolean map, boolean further) {
        Grant grant = granter.grants[ref - FIRST_REF];
        List<Live> uses = uses(granter, ref);
        if (!uses.isEmpty()) {
            boolean writable = uses.stream().anyMatch(use -> !use.readOnly());
            boolean allowed =
                    uses.get(0).mapper().id() == by && (readOnly || writable || !grant.readOnly());
            return allowed
                    ? new Claim(GrantStatus.OKAY, granter, uses.get(0).gfn())
                    : Claim.refused(GrantStatus.GENERAL_ERROR);
        }
        boolean whole = grant.kind() == Kind.PAGE;
        boolean part = grant.kind() == Kind.PART || grant.kind() == Kind.OTHER_PART;
        boolean transitive = grant.kind() == Kind.TRANSITIVE && granter.version == 2;
        boolean granted = whole || (!map && (part || transitive));
        if (!granted || grant.to() != by || (!readOnly && grant.readOnly())) {
            return Claim.refused(GrantStatus.GENERAL_ERROR);
        }
        if (transitive) {
            Domain behind = byId.get(grant.behind());
            return !further || behind == null || behind == granter
                    ? Claim.refused(GrantStatus.GENERAL_ERROR)
                    : claim(behind, (int) grant.gfn(), granter.id(), readOnly, false, false);
        }
        GrantStatus status = page(granter, grant.gfn());
        if (status == GrantStatus.OKAY && grant.kind() == Kind.OTHER_PART && granter.version == 2) {
            // Found out after both ends have been claimed.
            return new Claim(status, null, grant.gfn());
        }
        return status == GrantStatus.OKAY
                ? new Claim(status, granter, grant.gfn())
                : Claim.refused(status);
    }

    GrantStatus map(Domain mapper, Domain granter, int ref, boolean readOnly, long slot) {
        if (granter.dead) {
            return GrantStatus.BAD_DOMAIN;
        }
        Claim claim = claim(granter, ref, mapper.id(), readOnly, true, false);
        if (claim.status() != GrantStatus.OKAY) {
            return claim.status();
        }
        return mapper.placed.containsKey(slot) ? GrantStatus.GENERAL_ERROR : GrantStatus.OKAY;
    }

    void mapped(Domain mapper, Domain granter, int ref, boolean readOnly, long slot, int handle) {
        long gfn = claim(granter, ref, mapper.id(), readOnly, true, false).gfn();
        live.add(new Live(mapper, granter, ref, readOnly, gfn, slot, handle));
        mapper.placed.put(slot, mfn(granter, gfn));
    }

    static long mfn(Domain owner, long gfn) {
        return (long) owner.id() << 32 | gfn;
    }

    GrantStatus unmap(Domain mapper, int handle, long slot) {
        for (Live mapping : live) {
            if (mapping.mapper() == mapper && mapping.handle() == handle) {
                if (slot != mapping.slot()) {
                    return GrantStatus.GENERAL_ERROR;
                }
                mapper.placed.remove(slot);
                live.remove(mapping);
                return GrantStatus.OKAY;
            }
        }
        return GrantStatus.BAD_HANDLE;
    }

    /// Copies between a granted page and one's own.
    GrantStatus copy(Domain caller, Domain granter, int ref, long own, boolean toRef) {
        if (granter.dead) {
            return GrantStatus.BAD_DOMAIN;
        }
        GrantStatus ownStatus = page(caller, own);
        if (toRef && ownStatus != GrantStatus.OKAY) {
            return ownStatus;
        }
        Claim claim = claim(granter, ref, caller.id(), !toRef, false, true);
        if (claim.status() != GrantStatus.OKAY) {
            return claim.status();
        }
        if (ownStatus != GrantStatus.OKAY) {
            return ownStatus;
        }
        Domain owner = claim.owner();
        if (owner == null) {
            return GrantStatus.GENERAL_ERROR;
        }
        int[] words = owner.words;
        if (toRef) {
            words[(int) claim.gfn()] = caller.words[(int) own];
        } else {
            caller.words[(int) own] = words[(int) claim.gfn()];
        }
        return GrantStatus.OKAY;
    }

    /// Changes the version if no entry is in use.
    boolean setVersion(Domain domain, int version) {
        if (version == domain.version) {
            return true;
        }
        if (live.stream().anyMatch(use -> use.granter() == domain)) {
            return false;
        }
        domain.version = version;
        Arrays.fill(domain.grants, NOTHING);
        return true;
    }

    void write(Domain domain, int ref, Grant grant) {
        domain.grants[ref - FIRST_REF] = grant;
        int flags = grant.readOnly() ? Gtf.READONLY : 0;
        DomId to = new DomId(grant.to());
        switch (grant.kind()) {
            case NONE -> domain.fake.grant(ref, 0, to, 0);
            case PAGE -> domain.fake.grant(ref, Gtf.PERMIT_ACCESS | flags, to, grant.gfn());
            case PART -> part(domain, ref, flags, to, grant.gfn(), 0);
            case OTHER_PART -> part(domain, ref, flags, to, grant.gfn(), 8);
            case TRANSITIVE -> {
                if (domain.version == 2) {
                    DomId behind = new DomId(grant.behind());
                    domain.fake.grantTransitive(ref, flags, to, behind, (int) grant.gfn());
                } else {
                    domain.fake.grant(ref, Gtf.TRANSITIVE | flags, to, grant.gfn());
                }
            }
        }
    }

    private static void part(Domain domain, int ref, int flags, DomId to, long gfn, int start) {
        int partFlags = Gtf.PERMIT_ACCESS | Gtf.SUB_PAGE | flags;
        if (domain.version == 2) {
            domain.fake.grantPart(ref, partFlags, to, gfn, start, 4);
        } else {
            domain.fake.grant(ref, partFlags, to, gfn);
        }
    }
}
