package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;

/// One end of a copy: the guest's arguments, and the page that has been claimed for it.
final class CopyEnd {
    private final DomId domId;
    private final Pins own;
    private final boolean readOnly;
    private DomId dom = DomId.SELF;
    private boolean isRef;
    private long page;
    private int offset;

    private Pins granter;
    private GuestFrames owner;
    private long mfn;
    private int start;
    private int granted;

    CopyEnd(DomId domId, Pins own, boolean readOnly) {
        this.domId = domId;
        this.own = own;
        this.readOnly = readOnly;
        this.granter = own;
        this.owner = own.frames;
    }

    void set(DomId dom, boolean isRef, long page, int offset) {
        this.dom = dom;
        this.isRef = isRef;
        this.page = page;
        this.offset = offset;
    }

    GrantStatus find(Granters domains) {
        if (dom.equals(DomId.SELF)) {
            granter = own;
            return GrantStatus.OKAY;
        }
        if (!isRef) {
            return GrantStatus.PERMISSION_DENIED;
        }
        GrantTable table = domains.find(dom);
        if (table == null) {
            return GrantStatus.BAD_DOMAIN;
        }
        granter = table.pins();
        return GrantStatus.OKAY;
    }

    /// If `OKAY`, [#release] must follow.
    GrantStatus claim() {
        if (!isRef) {
            owner = own.frames;
            mfn = owner.mfn(page);
            start = 0;
            granted = GuestMemory.PAGE_SIZE;
            return mfn < 0 ? GrantStatus.BAD_PAGE : GrantStatus.OKAY;
        }
        int ref = ref();
        GrantStatus status = granter.acquire(ref, domId.value(), readOnly, true);
        if (status == GrantStatus.OKAY) {
            owner = granter.owner(ref);
            mfn = granter.mfn(ref);
            start = granter.start(ref);
            granted = granter.length(ref);
        }
        return status;
    }

    void release() {
        if (isRef) {
            granter.endCopy(ref(), readOnly);
        } else if (!readOnly) {
            owner.written(mfn);
        }
        // Keep no reference to another domain's memory.
        granter = own;
        owner = own.frames;
    }

    private int ref() {
        return (int) (page & 0xffff_ffffL);
    }

    boolean isBeyondPage(int length) {
        return offset + length > GuestMemory.PAGE_SIZE;
    }

    boolean grants(int length) {
        return offset >= start && offset + length <= start + granted;
    }

    MemorySegment memory() {
        return owner.memory(mfn);
    }

    long at() {
        return owner.offset(mfn) + offset;
    }
}
