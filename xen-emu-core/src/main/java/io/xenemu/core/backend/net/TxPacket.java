package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.kvm.abi.xen.NetifStructs.ExtraInfo;
import io.xenemu.kvm.abi.xen.NetifStructs.TxRequest;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// The slots of one frame that the guest sends: a first one with the size of the whole frame, extra information, and
/// further fragments. Reads copies of slots only. Reused from frame to frame; not thread-safe.
final class TxPacket {
    /// What follows after a slot.
    enum Step {
        /// Another slot of the same frame.
        MORE,
        /// The frame has all its slots.
        COMPLETE,
        /// No well-meaning guest sends this many: the ring is not to be used any more.
        HOSTILE
    }

    /// The most slots of a frame that a back end has to serve (`XEN_NETIF_NR_SLOTS_MIN`).
    static final int SERVED_SLOTS = 18;

    /// Linux's limit (`fatal_skb_slots`): old guests may exceed the protocol's by a little.
    static final int HOSTILE_SLOTS = 20;

    /// One of each type that there is (`XEN_NETIF_EXTRA_TYPE_MAX` - 1).
    static final int MAX_EXTRAS = 5;

    /// `ETH_HLEN`: two addresses and a type.
    static final int ETHERNET_BYTES = 14;

    private final int[] grefs = new int[HOSTILE_SLOTS];
    private final int[] offsets = new int[HOSTILE_SLOTS];
    private final int[] sizes = new int[HOSTILE_SLOTS];
    private final short[] ids = new short[HOSTILE_SLOTS];

    private int slots;
    private int extras;
    private boolean extraFollows;
    private boolean dataFollows;
    private int flags;
    private int total;

    private boolean unknownExtra;
    private boolean hasGso;
    private int gsoSize;
    private int gsoType;
    private int multicast;
    private long multicastAddress;

    /// Begins another frame.
    void clear() {
        slots = 0;
        extras = 0;
        extraFollows = false;
        dataFollows = false;
        unknownExtra = false;
        hasGso = false;
        multicast = 0;
    }

    /// Whether no slot was added since [#clear].
    boolean isEmpty() {
        return slots == 0;
    }

    /// Adds the next slot of the ring.
    ///
    /// @param slot a private copy
    Step add(MemorySegment slot) {
        if (extraFollows) {
            if (extras == MAX_EXTRAS) {
                return Step.HOSTILE;
            }
            extras++;
            extra(slot);
        } else {
            if (slots == HOSTILE_SLOTS) {
                return Step.HOSTILE;
            }
            data(slot);
        }
        return extraFollows || dataFollows ? Step.MORE : Step.COMPLETE;
    }

    private void data(MemorySegment slot) {
        int slotFlags = u16(slot, TxRequest.FLAGS.offset64());
        grefs[slots] = slot.get(JAVA_INT_UNALIGNED, TxRequest.GREF.offset64());
        offsets[slots] = u16(slot, TxRequest.OFFSET.offset64());
        sizes[slots] = u16(slot, TxRequest.SIZE.offset64());
        ids[slots] = slot.get(JAVA_SHORT_UNALIGNED, TxRequest.ID.offset64());
        if (slots == 0) {
            flags = slotFlags;
            total = sizes[0];
            extraFollows = (slotFlags & Netif.TX_EXTRA_INFO) != 0;
        } else {
            sizes[0] -= sizes[slots];
        }
        slots++;
        dataFollows = (slotFlags & Netif.TX_MORE_DATA) != 0;
    }

    private void extra(MemorySegment slot) {
        extraFollows = (slot.get(JAVA_BYTE, ExtraInfo.FLAGS.offset64()) & Netif.EXTRA_MORE) != 0;
        int type = Byte.toUnsignedInt(slot.get(JAVA_BYTE, ExtraInfo.TYPE.offset64()));
        switch (type) {
            case Netif.EXTRA_GSO -> {
                hasGso = true;
                gsoSize = u16(slot, ExtraInfo.GSO_SIZE.offset64());
                gsoType = Byte.toUnsignedInt(slot.get(JAVA_BYTE, ExtraInfo.GSO_TYPE.offset64()));
            }
            case Netif.EXTRA_MCAST_ADD, Netif.EXTRA_MCAST_DEL -> {
                multicast = type;
                multicastAddress = EthernetAddress.read(slot, ExtraInfo.MCAST_ADDR.offset64());
            }
            case Netif.EXTRA_HASH, Netif.EXTRA_XDP -> {
                // A hint that nobody uses here.
            }
            default -> unknownExtra = true;
        }
    }

    private static int u16(MemorySegment slot, long offset) {
        return Short.toUnsignedInt(slot.get(JAVA_SHORT_UNALIGNED, offset));
    }

    /// The reason why a complete frame cannot be sent, or null.
    @Nullable DropReason fault() {
        if (slots > SERVED_SLOTS) {
            return DropReason.SLOTS;
        }
        if (unknownExtra) {
            return DropReason.EXTRA;
        }
        if (multicast != 0) {
            return null;
        }
        if (total < ETHERNET_BYTES || sizes[0] < 0) {
            // Also a frame of 64 KiB and more: its size has lost its upper bits.
            return DropReason.SIZE;
        }
        for (int i = 0; i < slots; i++) {
            if (offsets[i] + sizes[i] > GuestMemory.PAGE_SIZE) {
                return DropReason.SIZE;
            }
        }
        if (hasGso
                && (gsoSize == 0 || (gsoType != Netif.GSO_TCPV4 && gsoType != Netif.GSO_TCPV6))) {
            return DropReason.SEGMENTATION;
        }
        return null;
    }

    /// The number of slots with data, 1 to [#HOSTILE_SLOTS].
    int slots() {
        return slots;
    }

    /// The number of slots with extra information. They stand after the first slot.
    int extras() {
        return extras;
    }

    /// The guest's name of a slot, for the answer.
    short id(int slot) {
        return ids[slot];
    }

    int gref(int slot) {
        return grefs[slot];
    }

    /// Where a slot's bytes begin in their page.
    int offset(int slot) {
        return offsets[slot];
    }

    /// The bytes of a slot itself, without those of the slots after it; may be 0.
    int size(int slot) {
        return sizes[slot];
    }

    /// The bytes of the frame.
    int total() {
        return total;
    }

    /// Whether the checksum is left to the back end.
    boolean isChecksumBlank() {
        return (flags & Netif.TX_CSUM_BLANK) != 0;
    }

    /// Bytes of a segment into which the back end has to split the frame; 0 if it is one already.
    int gsoSize() {
        return hasGso ? gsoSize : 0;
    }

    /// `XEN_NETIF_GSO_TYPE_*`, if [#gsoSize] is not 0.
    int gsoType() {
        return gsoType;
    }

    /// `XEN_NETIF_EXTRA_TYPE_MCAST_*` if this is a change of the multicast filter instead of a frame; else 0.
    int multicast() {
        return multicast;
    }

    /// The address to add or remove, as [EthernetAddress] has it.
    long multicastAddress() {
        return multicastAddress;
    }
}
