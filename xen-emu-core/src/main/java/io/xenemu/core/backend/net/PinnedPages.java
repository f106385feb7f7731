package io.xenemu.core.backend.net;

import io.xenemu.gnttab.BackendMappings;
import io.xenemu.gnttab.GrantPages;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.kvm.abi.DomId;
import java.lang.foreign.MemorySegment;

/// Pages of a guest's grant table, each pinned as long as it is in use.
final class PinnedPages implements GrantedPages {
    private final BackendMappings grants;
    private final GrantPages[] places;

    PinnedPages(BackendMappings grants, int count) {
        this.grants = grants;
        this.places = new GrantPages[count];
        for (int i = 0; i < count; i++) {
            places[i] = new GrantPages(1);
        }
    }

    @Override
    public boolean pin(int place, int gref, boolean readOnly) {
        GrantPages page = places[place];
        page.clear();
        page.add(gref);
        return grants.mapPages(page, DomId.DOM0, readOnly) == GrantStatus.OKAY;
    }

    @Override
    public MemorySegment memory(int place) {
        return places[place].memory(0);
    }

    @Override
    public long offset(int place) {
        return places[place].offset(0);
    }

    @Override
    public void unpin(int place) {
        if (places[place].isMapped()) {
            GrantStatus _ = grants.unmapPages(places[place]);
        }
    }
}
