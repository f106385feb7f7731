package io.xenemu.core.device;

import com.google.common.primitives.Bytes;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.AcpiTables;
import java.time.Instant;
import java.time.InstantSource;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoField;
import java.util.List;
import java.util.function.LongConsumer;

/// The real-time clock of a PC, a Motorola MC146818, with 128 bytes of CMOS memory. It shows the host's time with an
/// offset, which changes when the guest sets the clock. It has no interrupts: alarm and rates are only stored.
///
/// Thread-safe. The owner hears of a new offset without locks held.
public final class Rtc implements PortDevice {
    static final int REGISTER_A = 0xa;
    static final int REGISTER_B = 0xb;

    /// Register A: a 32.768 kHz crystal, and the PC's rate of 1024 Hz.
    static final int RATES = 0x26;

    /// Register B: hours from 0 to 23.
    static final int HOURS_24 = 1 << 1;

    private static final int REGISTER_C = 0xc;
    private static final int REGISTER_D = 0xd;
    private static final int SECONDS = 0;
    private static final int MINUTES = 2;
    private static final int HOURS = 4;
    private static final int WEEKDAY = 6;
    private static final int DAY = 7;
    private static final int MONTH = 8;
    private static final int YEAR = 9;

    /// The byte that PCs use for the century; the chip does not know it.
    private static final int CENTURY = 0x32;

    private static final int INDEX_MASK = RtcState.REGISTERS - 1;
    private static final int UPDATE_IN_PROGRESS = 1 << 7;
    private static final int SET = 1 << 7;
    private static final int BINARY = 1 << 2;
    private static final int PM = 1 << 7;
    private static final int VALID = 1 << 7;
    private static final int NOON = 12;

    /// The update takes 1984 us, and is announced 244 us before it begins.
    private static final long UPDATE_NANOS = (1984 + 244) * 1000;

    private static final long SECOND_NANOS = 1_000_000_000;

    private final InstantSource host;
    private final LongConsumer offsetChanged;

    @GuardedBy("this")
    private final byte[] registers;

    @GuardedBy("this")
    private int index;

    @GuardedBy("this")
    private long offset;

    /// @param host the host's clock
    /// @param state of a saved clock, or [RtcState#initial]
    /// @param offsetChanged gets each new offset, in seconds
    public Rtc(InstantSource host, RtcState state, LongConsumer offsetChanged) {
        this.host = host;
        this.offsetChanged = offsetChanged;
        registers = Bytes.toArray(state.registers());
        index = state.index();
        offset = state.offsetSeconds();
    }

    /// The ports of this device, for a [PortBus].
    public List<PortBus.Range> ranges() {
        return List.of(new PortBus.Range(AcpiTables.RTC_PORT, AcpiTables.RTC_PORT + 1, this));
    }

    /// Its time less the host's UTC, in seconds.
    public synchronized long offsetSeconds() {
        return offset;
    }

    /// Its state.
    public synchronized RtcState save() {
        byte[] saved = registers.clone();
        for (int i = 0; i < saved.length && !isSetting(); i++) {
            saved[i] = isTime(i) ? 0 : saved[i];
        }
        return new RtcState(index, Bytes.asList(saved), offset);
    }

    /// A read of the index port sees nothing, as on a PC.
    @Override
    public synchronized int read(int port) {
        if (port == AcpiTables.RTC_PORT) {
            return PortBus.NOT_DRIVEN;
        }
        if (isTime(index) && !isSetting()) {
            showTime(host.instant());
        }
        return switch (index) {
            case REGISTER_A -> registers[REGISTER_A] | (isUpdating() ? UPDATE_IN_PROGRESS : 0);
            case REGISTER_C -> 0;
            case REGISTER_D -> VALID;
            default -> registers[index] & 0xff;
        };
    }

    @Override
    public void write(int port, int value) {
        long before;
        long after;
        synchronized (this) {
            before = offset;
            if (port == AcpiTables.RTC_PORT) {
                // The highest bit masks NMIs.
                index = value & INDEX_MASK;
            } else {
                writeRegister(value);
            }
            after = offset;
        }
        if (before != after) {
            offsetChanged.accept(after);
        }
    }

    @GuardedBy("this")
    private void writeRegister(int value) {
        Instant now = host.instant();
        switch (index) {
            case REGISTER_A -> registers[REGISTER_A] = (byte) (value & ~UPDATE_IN_PROGRESS);
            case REGISTER_B -> {
                boolean begins = (value & SET) != 0 && !isSetting();
                boolean ends = (value & SET) == 0 && isSetting();
                if (begins) {
                    showTime(now);
                }
                registers[REGISTER_B] = (byte) value;
                if (ends) {
                    takeTime(now);
                }
            }
            case REGISTER_C, REGISTER_D -> {}
            default -> {
                boolean atOnce = isTime(index) && !isSetting();
                if (atOnce) {
                    showTime(now);
                }
                registers[index] = (byte) value;
                if (atOnce) {
                    takeTime(now);
                }
            }
        }
    }

    private static boolean isTime(int register) {
        return switch (register) {
            case SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY -> true;
            default -> false;
        };
    }

    /// Whether the guest sets the clock, which stands still meanwhile.
    @GuardedBy("this")
    private boolean isSetting() {
        return (registers[REGISTER_B] & SET) != 0;
    }

    @GuardedBy("this")
    private boolean isUpdating() {
        return !isSetting()
                && host.instant().get(ChronoField.NANO_OF_SECOND) >= SECOND_NANOS - UPDATE_NANOS;
    }

    /// Puts the time into the registers.
    @GuardedBy("this")
    private void showTime(Instant now) {
        LocalDateTime time =
                LocalDateTime.ofEpochSecond(now.getEpochSecond() + offset, 0, ZoneOffset.UTC);
        put(SECONDS, time.getSecond());
        put(MINUTES, time.getMinute());
        putHours(time.getHour());
        // Sunday is 1; of java.time it is 7.
        put(WEEKDAY, time.getDayOfWeek().getValue() % 7 + 1);
        put(DAY, time.getDayOfMonth());
        put(MONTH, time.getMonthValue());
        put(YEAR, Math.floorMod(time.getYear(), 100));
        put(CENTURY, Math.floorMod(Math.floorDiv(time.getYear(), 100), 100));
    }

    /// Makes the registers' time the time. Values beyond their ranges count on, as in `mktime`.
    @GuardedBy("this")
    private void takeTime(Instant now) {
        LocalDateTime time =
                LocalDateTime.of(get(CENTURY) * 100 + get(YEAR), 1, 1, 0, 0)
                        .plusMonths(get(MONTH) - 1L)
                        .plusDays(get(DAY) - 1L)
                        .plusHours(hours())
                        .plusMinutes(get(MINUTES))
                        .plusSeconds(get(SECONDS));
        offset = time.toEpochSecond(ZoneOffset.UTC) - now.getEpochSecond();
    }

    @GuardedBy("this")
    private boolean isBinary() {
        return (registers[REGISTER_B] & BINARY) != 0;
    }

    @GuardedBy("this")
    private int encoded(int value) {
        return isBinary() ? value : (value / 10) << 4 | value % 10;
    }

    @GuardedBy("this")
    private int decoded(int value) {
        return isBinary() ? value : (value >> 4) * 10 + (value & 0xf);
    }

    @GuardedBy("this")
    private void put(int register, int value) {
        registers[register] = (byte) encoded(value);
    }

    @GuardedBy("this")
    private int get(int register) {
        return decoded(registers[register] & 0xff);
    }

    @GuardedBy("this")
    private void putHours(int hour) {
        if ((registers[REGISTER_B] & HOURS_24) != 0) {
            put(HOURS, hour);
        } else {
            int shown = hour % NOON == 0 ? NOON : hour % NOON;
            registers[HOURS] = (byte) (encoded(shown) | (hour >= NOON ? PM : 0));
        }
    }

    @GuardedBy("this")
    private int hours() {
        if ((registers[REGISTER_B] & HOURS_24) != 0) {
            return get(HOURS);
        }
        int shown = decoded(registers[HOURS] & 0xff & ~PM);
        return shown % NOON + ((registers[HOURS] & PM) != 0 ? NOON : 0);
    }
}
