package io.xenemu.gnttab;

import org.junit.jupiter.api.AfterEach;

/// A domain that grants, one that maps, and a third.
abstract class MappingDomains {
    static final int HOST_MAP = 2;
    static final int READONLY = 4;

    /// Where the mapper puts a page.
    static final long AT = 20 * 4096L;

    final FakeDomains domains = new FakeDomains();
    final FakeDomain granter = domains.add(3);
    final FakeDomain mapper = domains.add(5);
    final FakeDomain third = domains.add(6);
    final MapResult result = new MapResult();

    @AfterEach
    void free() {
        domains.close();
    }

    GrantStatus map(long address, int flags, int ref) {
        return MapResult.map(mapper.table, address, flags, ref, granter.id, result);
    }

    GrantStatus unmap(long address, int handle) {
        return MapResult.unmap(mapper.table, address, handle);
    }
}
