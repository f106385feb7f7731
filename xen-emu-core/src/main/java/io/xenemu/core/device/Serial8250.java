package io.xenemu.core.device;

import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/// A 16550A serial port as its data sheet (National Semiconductor PC16550D) describes it, except that sending a byte
/// takes no time. The sink gets it at once; while the sink takes nothing, the transmitter stays full. The baud rate and
/// the frame format are stored and have no effect. Modem lines: CTS, DSR and DCD are on.
///
/// Thread-safe. The interrupt line is pulsed without locks held, once each time an interrupt source becomes pending
/// while none was pending.
public final class Serial8250 implements PortDevice {
    /// The number of I/O ports.
    public static final int PORTS = 8;

    private static final int DATA = 0;
    private static final int IER = 1;
    private static final int IIR_FCR = 2;
    private static final int LCR = 3;
    private static final int MCR = 4;
    private static final int LSR = 5;
    private static final int MSR = 6;

    private static final int IER_RECEIVED = 1;
    private static final int IER_THR_EMPTY = 1 << 1;
    private static final int IER_LINE_STATUS = 1 << 2;
    private static final int IER_MASK = 0xf;
    private static final int IIR_NONE = 1;
    private static final int IIR_THR_EMPTY = 2;
    private static final int IIR_RECEIVED = 4;
    private static final int IIR_LINE_STATUS = 6;
    private static final int IIR_FIFO = 0xc0;
    private static final int FCR_ENABLE = 1;
    private static final int FCR_CLEAR_RECEIVER = 1 << 1;
    private static final int FCR_CLEAR_TRANSMITTER = 1 << 2;
    private static final int LCR_DLAB = 1 << 7;
    private static final int MCR_OUT2 = 1 << 3;
    private static final int MCR_LOOP = 1 << 4;
    private static final int MCR_MASK = 0x1f;
    private static final int LSR_DATA_READY = 1;
    private static final int LSR_OVERRUN = 1 << 1;
    private static final int LSR_THR_EMPTY = 1 << 5;
    private static final int LSR_TRANSMITTER_EMPTY = 1 << 6;
    private static final int MSR_CTS_DSR_DCD = 0xb0;

    /// After power-on: 9600 baud, the rest as the data sheet's reset leaves it.
    private static final SerialState RESET =
            new SerialState(
                    new SerialState.Registers(0, 0, 0, 0, 0, 12, false, false, false),
                    List.of(),
                    List.of(),
                    List.of());

    private final ReentrantLock lock = new ReentrantLock();
    private final int base;
    private final ByteSink output;
    private final ByteSource input;
    private final IrqLine irq;
    private final SerialFifo receiver;
    private final SerialFifo transmitter;
    private int ier;
    private int fcr;
    private int lcr;
    private int mcr;
    private int scratch;
    private int divisor;
    private boolean overrun;
    private boolean thrEmptyPending;
    private boolean asserted;
    private boolean held;

    /// @param base first of its [#PORTS] I/O ports
    /// @param output takes the guest's output; call [#service] when it has room again
    /// @param input gives the guest's input; call [#service] when it has data
    /// @param irq the interrupt
    public Serial8250(int base, ByteSink output, ByteSource input, IrqLine irq) {
        this(base, output, input, irq, RESET);
    }

    /// The serial port of a restored guest. [#Serial8250(int, ByteSink, ByteSource, IrqLine)] has the other parameters.
    ///
    /// @param state from [#save]; the bytes that had not reached the port come from `input`
    public Serial8250(int base, ByteSink output, ByteSource input, IrqLine irq, SerialState state) {
        this.base = base;
        this.output = output;
        this.input = input;
        this.irq = irq;
        SerialState.Registers registers = state.registers();
        ier = registers.ier();
        fcr = registers.fcr();
        lcr = registers.lcr();
        mcr = registers.mcr();
        scratch = registers.scratch();
        divisor = registers.divisor();
        overrun = registers.overrun();
        thrEmptyPending = registers.thrEmptyPending();
        asserted = registers.asserted();
        receiver = new SerialFifo(state.receiver());
        transmitter = new SerialFifo(state.transmitter());
    }

    /// The port's state. The port must be held.
    ///
    /// @param typed input that has not reached the port
    public SerialState save(List<Byte> typed) {
        lock.lock();
        try {
            return new SerialState(
                    new SerialState.Registers(
                            ier,
                            fcr,
                            lcr,
                            mcr,
                            scratch,
                            divisor,
                            overrun,
                            thrEmptyPending,
                            asserted),
                    receiver.save(),
                    transmitter.save(),
                    typed);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public int read(int port) {
        boolean pulse;
        int value;
        lock.lock();
        try {
            value = readRegister(port - base);
            pulse = update();
        } finally {
            lock.unlock();
        }
        pulseIf(pulse);
        return value;
    }

    @Override
    public void write(int port, int value) {
        boolean pulse;
        lock.lock();
        try {
            writeRegister(port - base, value);
            pulse = update();
        } finally {
            lock.unlock();
        }
        pulseIf(pulse);
    }

    /// Moves as many bytes as possible between the FIFOs and the host.
    public void service() {
        boolean pulse;
        lock.lock();
        try {
            if (held) {
                return;
            }
            boolean wasFull = transmitter.size() > 0;
            transmitter.drainTo(output);
            thrEmptyPending |= wasFull && transmitter.size() == 0;
            pulse = update();
        } finally {
            lock.unlock();
        }
        pulseIf(pulse);
    }

    /// Moves nothing to or from the host's ends until [#release]. No vCPU may use the port meanwhile. A pulse of the
    /// interrupt line may still be under way.
    public void hold() {
        setHeld(true);
    }

    /// Moves bytes again, also those that have waited.
    public void release() {
        setHeld(false);
        service();
    }

    private void setHeld(boolean next) {
        lock.lock();
        try {
            held = next;
        } finally {
            lock.unlock();
        }
    }

    /// Whether the guest has output that the sink has not taken yet.
    public boolean hasOutput() {
        lock.lock();
        try {
            return transmitter.size() > 0;
        } finally {
            lock.unlock();
        }
    }

    private void pulseIf(boolean pulse) {
        if (pulse) {
            irq.pulse();
        }
    }

    private int readRegister(int register) {
        boolean dlab = (lcr & LCR_DLAB) != 0;
        return switch (register) {
            case DATA -> dlab ? divisor & 0xff : receiver.remove();
            case IER -> dlab ? divisor >> 8 : ier;
            case IIR_FCR -> readIir();
            case LCR -> lcr;
            case MCR -> mcr;
            case LSR -> readLsr();
            case MSR -> readMsr();
            default -> scratch;
        };
    }

    private void writeRegister(int register, int value) {
        boolean dlab = (lcr & LCR_DLAB) != 0;
        switch (register) {
            case DATA -> {
                if (dlab) {
                    divisor = (divisor & 0xff00) | value;
                } else {
                    transmit(value);
                }
            }
            case IER -> {
                if (dlab) {
                    divisor = (divisor & 0xff) | value << 8;
                } else {
                    writeIer(value & IER_MASK);
                }
            }
            case IIR_FCR -> writeFcr(value);
            case LCR -> lcr = value;
            case MCR -> mcr = value & MCR_MASK;
            case LSR, MSR -> {}
            default -> scratch = value;
        }
    }

    /// Reads the interrupt identification. Reading "transmitter empty" acknowledges that interrupt.
    private int readIir() {
        int cause = cause();
        if (cause == IIR_THR_EMPTY) {
            thrEmptyPending = false;
        }
        return cause | ((fcr & FCR_ENABLE) != 0 ? IIR_FIFO : 0);
    }

    private int cause() {
        if ((ier & IER_LINE_STATUS) != 0 && overrun) {
            return IIR_LINE_STATUS;
        }
        if ((ier & IER_RECEIVED) != 0 && receiver.size() > 0) {
            return IIR_RECEIVED;
        }
        return (ier & IER_THR_EMPTY) != 0 && thrEmptyPending ? IIR_THR_EMPTY : IIR_NONE;
    }

    private int readLsr() {
        int value = receiver.size() > 0 ? LSR_DATA_READY : 0;
        value |= overrun ? LSR_OVERRUN : 0;
        overrun = false;
        return value | (transmitter.size() == 0 ? LSR_THR_EMPTY | LSR_TRANSMITTER_EMPTY : 0);
    }

    /// Reads the modem status. In loopback the inputs follow the outputs: RTS is CTS, DTR is DSR, OUT1 is RI, OUT2 is
    /// DCD.
    private int readMsr() {
        if ((mcr & MCR_LOOP) == 0) {
            return MSR_CTS_DSR_DCD;
        }
        return (mcr & 1) << 5 | (mcr & 2) << 3 | (mcr & 0xc) << 4;
    }

    /// Enabling the "transmitter empty" interrupt while it is empty raises it; Linux's driver tests for that.
    private void writeIer(int value) {
        boolean enabled = (value & ~ier & IER_THR_EMPTY) != 0;
        ier = value;
        thrEmptyPending |= enabled && transmitter.size() == 0;
    }

    private void writeFcr(int value) {
        boolean toggled = ((value ^ fcr) & FCR_ENABLE) != 0;
        fcr = value & FCR_ENABLE;
        if (toggled || (value & FCR_CLEAR_RECEIVER) != 0) {
            receiver.clear();
        }
        if (toggled || (value & FCR_CLEAR_TRANSMITTER) != 0) {
            transmitter.clear();
        }
    }

    /// Sends a byte. A byte that finds the transmitter full is lost, as in hardware: LSR had shown that it is full.
    private void transmit(int value) {
        thrEmptyPending = false;
        if ((mcr & MCR_LOOP) != 0) {
            overrun |= receiver.size() >= receiverLimit() || !receiver.add(value);
            thrEmptyPending = true;
            return;
        }
        transmitter.add(value);
        transmitter.drainTo(output);
        thrEmptyPending = transmitter.size() == 0;
    }

    private int receiverLimit() {
        return (fcr & FCR_ENABLE) != 0 ? SerialFifo.SIZE : 1;
    }

    /// Takes more input if there is room, and returns whether the interrupt line rises. OUT2 connects it to the bus.
    private boolean update() {
        if ((mcr & MCR_LOOP) == 0) {
            receiver.fillFrom(input, receiverLimit());
        }
        boolean before = asserted;
        asserted = (mcr & MCR_OUT2) != 0 && (mcr & MCR_LOOP) == 0 && cause() != IIR_NONE;
        return asserted && !before;
    }
}
