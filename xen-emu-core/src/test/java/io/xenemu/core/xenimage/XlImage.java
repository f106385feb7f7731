package io.xenemu.core.xenimage;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Writes images as `xl save` does, from Xen's specifications alone: it uses nothing of the reader. An image is a list
/// of pieces, each a header or a record, so that tests can change, leave out, repeat and exchange them.
@SuppressWarnings("ByteBufferBackingArray") // of buffers that were allocated
public final class XlImage {
    static final int END = 0;
    static final int PAGE_DATA = 1;
    static final int X86_TSC_INFO = 8;
    static final int HVM_CONTEXT = 9;
    static final int HVM_PARAMS = 0xa;
    static final int STATIC_DATA_END = 0x10;
    static final int X86_CPUID_POLICY = 0x11;
    static final int X86_MSR_POLICY = 0x12;

    static final long GONE = 0xfL << 60;

    private static final int PAGE = 4096;
    private static final int PAGES_OF_RECORD = 1024;

    private final List<byte[]> pieces = new ArrayList<>();
    private final Map<Long, byte[]> pages = new TreeMap<>();

    /// The configuration of a PVH guest.
    public static String config(String name, int vcpus, long memoryKib) {
        return config(name, vcpus, memoryKib, "");
    }

    /// The same with more members.
    ///
    /// @param more begins with a comma; single quotes stand for double ones
    static String config(String name, int vcpus, long memoryKib, String more) {
        return """
        {
            "c_info": {
                "type": "pvh",
                "name": "%s",
                "uuid": "0f0f0f0f-1111-2222-3333-444455556666",
                "run_hotplug_scripts": "True"
            },
            "b_info": {
                "max_vcpus": %d,
                "avail_vcpus": [0],
                "max_memkb": %d,
                "target_memkb": %d,
                "tsc_mode": "native",
                "kernel": "/boot/of-another-host",
                "cmdline": "console=hvc0",
                "type.pvh": {}
            },
            "on_reboot": "restart",
            "on_soft_reset": "soft_reset"%s
        }
        """
                .formatted(name, vcpus, memoryKib, memoryKib, more.replace('\'', '"'));
    }

    /// Adds a piece as it is.
    public XlImage piece(byte[] bytes) {
        pieces.add(bytes);
        return this;
    }

    /// Adds the header of xl.
    public XlImage xl(String json) {
        return xl(json, 0x0102_0304, 3, 0);
    }

    XlImage xl(String json, int byteOrder, int mandatory, int optional) {
        byte[] text = json.getBytes(UTF_8);
        return piece(
                buffer(52 + text.length)
                        .put("Xen saved domain, xl format\n \0 \r".getBytes(US_ASCII))
                        .putInt(byteOrder)
                        .putInt(mandatory)
                        .putInt(optional)
                        .putInt(4 + text.length)
                        .putInt(text.length)
                        .put(text)
                        .array());
    }

    /// Adds the header of libxl's stream, and the record before libxc's image.
    public XlImage libxl() {
        return libxl(2, 0).record(1, new byte[0]);
    }

    XlImage libxl(int version, int options) {
        return piece(
                buffer(16)
                        .order(ByteOrder.BIG_ENDIAN)
                        .put("LibxlFmt".getBytes(US_ASCII))
                        .putInt(version)
                        .putInt(options)
                        .array());
    }

    /// Adds the headers of libxc's image.
    public XlImage libxc() {
        return libxc(3, 0, 2);
    }

    XlImage libxc(int version, int options, int type) {
        byte[] image =
                buffer(24)
                        .order(ByteOrder.BIG_ENDIAN)
                        .putLong(-1)
                        .putInt(0x5845_4e46)
                        .putInt(version)
                        .putShort((short) options)
                        .array();
        byte[] domain =
                buffer(16)
                        .putInt(type)
                        .putShort((short) 12)
                        .putShort((short) 0)
                        .putInt(4)
                        .putInt(17)
                        .array();
        return piece(concat(image, domain));
    }

    /// Adds a record of libxl or libxc.
    public XlImage record(int type, byte[] body) {
        int padded = (body.length + 7) / 8 * 8;
        return piece(buffer(8 + padded).putInt(type).putInt(body.length).put(body).array());
    }

    /// Adds a leaf of CPUID to the bytes of a policy.
    ///
    /// @param subleaf -1 for none
    public static byte[] leaf(int leaf, int subleaf, int a, int b, int c, int d) {
        return buffer(24)
                .putInt(leaf)
                .putInt(subleaf)
                .putInt(a)
                .putInt(b)
                .putInt(c)
                .putInt(d)
                .array();
    }

    /// Adds the leaves of the processor, and the end of what is static.
    public XlImage processor(byte[] leaves) {
        return record(X86_CPUID_POLICY, leaves)
                .record(
                        X86_MSR_POLICY,
                        buffer(32).putInt(0xce).putInt(0).putLong(1L << 31).putInt(0x10a).array())
                .record(STATIC_DATA_END, new byte[0]);
    }

    /// Adds a page of the guest, which [#pages] writes.
    public XlImage page(long frame, byte[] content) {
        pages.put(frame, content);
        return this;
    }

    /// Adds pages of zeros.
    XlImage zeros(long first, long count) {
        byte[] zeros = new byte[PAGE];
        for (long frame = first; frame < first + count; frame++) {
            pages.putIfAbsent(frame, zeros);
        }
        return this;
    }

    /// Writes the pages that were added. All other frames below 4 GiB are there too, as holes.
    ///
    /// @param holes whether holes are written
    public XlImage pages(boolean holes) {
        long last = pages.isEmpty() ? 0 : ((TreeMap<Long, byte[]>) pages).lastKey();
        List<Long> frames = new ArrayList<>();
        if (holes) {
            for (long frame = 0; frame <= last; frame++) {
                frames.add(frame);
            }
        } else {
            frames.addAll(pages.keySet());
        }
        for (int at = 0; at < frames.size(); at += PAGES_OF_RECORD) {
            record(
                    PAGE_DATA,
                    pageData(frames.subList(at, Math.min(at + PAGES_OF_RECORD, frames.size()))));
        }
        return this;
    }

    private byte[] pageData(List<Long> frames) {
        int data = (int) frames.stream().filter(pages::containsKey).count();
        ByteBuffer body = buffer(8 + 8 * frames.size() + data * PAGE);
        body.putInt(frames.size()).putInt(0);
        frames.forEach(frame -> body.putLong(pages.containsKey(frame) ? frame : GONE | frame));
        for (long frame : frames) {
            byte[] content = pages.get(frame);
            if (content != null) {
                body.put(content);
            }
        }
        return body.array();
    }

    /// Adds the time stamp counter.
    public XlImage tsc(int mode, int khz) {
        return record(
                X86_TSC_INFO,
                buffer(24).putInt(mode).putInt(khz).putLong(0).putInt(1).putInt(0).array());
    }

    /// Adds the parameters of a PVH guest.
    public XlImage params() {
        return params(1, 0xfeffc, 17, 0xfefff, 5, 0xfeffd, 6, 0xfeffb, 12, 0xfeffe000L);
    }

    /// @param values number and value of each parameter
    XlImage params(long... values) {
        ByteBuffer body = buffer(8 + 8 * values.length);
        body.putInt(values.length / 2).putInt(0);
        for (long value : values) {
            body.putLong(value);
        }
        return record(HVM_PARAMS, body.array());
    }

    /// Adds the ends of both streams.
    public XlImage end() {
        return record(END, new byte[0]).record(END, new byte[0]);
    }

    List<byte[]> pieces() {
        return pieces;
    }

    /// The whole image.
    public byte[] bytes() {
        return concat(pieces.toArray(new byte[0][]));
    }

    static byte[] concat(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
