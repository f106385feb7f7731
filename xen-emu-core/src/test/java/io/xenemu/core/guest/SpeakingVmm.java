package io.xenemu.core.guest;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A VMM that says what it is told to, true or not, at the offsets of `xen_attach_wire.h`. Its vCPUs are KVM's, and run
/// nothing.
final class SpeakingVmm implements AutoCloseable {
    /// The spare bytes at the end of a guest's memory.
    static final long SPARE_BYTES = 64L << 20;

    private static final int MAGIC = 0x54415858;
    private static final int HELLO = 1;
    private static final int RAM = 2;
    private static final int VCPU = 3;
    private static final int START = 4;
    private static final int RESET = 5;
    private static final int RUN_BYTES = 3 * 4096;
    private static final int RANGES = 4;

    private final MessageSocket socket;
    private int tag;

    /// Connects.
    SpeakingVmm(Path path) throws IOException {
        socket = MessageSocket.connect(path);
    }

    /// What the service says.
    ///
    /// @param result of an answer
    /// @param text of a refusal
    record Said(int type, int tag, int result, int reason, String text) {
        /// Decodes it.
        static Said of(MessageSocket.Message message) {
            message.descriptors().forEach(SpeakingVmm::close);
            ByteBuffer bytes = ByteBuffer.wrap(message.bytes()).order(ByteOrder.nativeOrder());
            int type = bytes.getShort(0);
            boolean isAnswer = type == 32;
            return new Said(
                    type,
                    bytes.getInt(4),
                    isAnswer ? bytes.getInt(8) : 0,
                    type == 25 ? bytes.getInt(8) : -1,
                    isAnswer ? new String(message.bytes(), 24, bytes.getInt(12), UTF_8) : "");
        }
    }

    private static void close(int descriptor) {
        MemFd.received(descriptor, 1 << 16).close();
    }

    private ByteBuffer message(int type, int bytes) {
        return ByteBuffer.allocate(bytes)
                .order(ByteOrder.nativeOrder())
                .putShort(0, (short) type)
                .putInt(4, ++tag);
    }

    /// Says hello.
    void hello(int version, String settings) throws IOException {
        byte[] text = settings.getBytes(UTF_8);
        socket.send(
                message(HELLO, 32 + text.length)
                        .putInt(8, MAGIC)
                        .putInt(12, version)
                        .putInt(24, text.length)
                        .put(32, text)
                        .array());
    }

    private static byte[] bytes(ByteBuffer message) {
        byte[] bytes = new byte[message.limit()];
        message.get(0, bytes);
        return bytes;
    }

    /// Says that its memory is one range at address 0, or further ones of the same length.
    ///
    /// @param starts guest addresses
    void memory(MemFd memory, long bytes, long... starts) throws IOException {
        ByteBuffer message = message(RAM, 16 + RANGES * 32).putInt(8, starts.length);
        for (int i = 0; i < starts.length; i++) {
            message.putLong(16 + i * 32, starts[i])
                    .putLong(24 + i * 32, bytes)
                    .putLong(32 + i * 32, 0x7f00_0000_0000L + starts[i])
                    .putLong(40 + i * 32, i * bytes);
        }
        socket.send(bytes(message), memory.fd());
    }

    /// Says that this is its next vCPU.
    void vcpu(int number, int descriptor) throws IOException {
        socket.send(
                message(VCPU, 24)
                        .putInt(8, number)
                        .putInt(12, number)
                        .putInt(16, RUN_BYTES)
                        .array(),
                descriptor);
    }

    void start() throws IOException {
        socket.send(message(START, 8).array());
    }

    void reset() throws IOException {
        socket.send(message(RESET, 8).array());
    }

    /// Says anything.
    void say(byte[] message, int... descriptors) throws IOException {
        socket.send(message, descriptors);
    }

    /// What the service says next; null if it has closed the connection.
    @Nullable Said hear() throws IOException {
        MessageSocket.Message message = socket.receive();
        return message == null ? null : Said.of(message);
    }

    /// A vCPU's descriptor that is open in this process.
    static int vcpuDescriptor() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            for (Path descriptor : (Iterable<Path>) open::iterator) {
                if (target(descriptor).startsWith("anon_inode:kvm-vcpu")) {
                    return Integer.parseInt(descriptor.getFileName().toString());
                }
            }
        }
        throw new IOException("no vCPU");
    }

    /// What the process's descriptors are, but those that the JVM opens and closes by itself.
    static List<String> descriptors() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return open.map(SpeakingVmm::target)
                    .filter(it ->
                            it.contains("memfd:")
                                    || it.contains("anon_inode")
                                    || it.contains("socket"))
                    .map(it -> it.replaceAll("\\d+", ""))
                    .sorted()
                    .toList();
        }
    }

    private static String target(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException e) {
            return "";
        }
    }

    /// A vCPU of the host's KVM.
    record HostVcpu(KvmSystem system, KvmVm vm, KvmVcpu vcpu) implements AutoCloseable {
        static HostVcpu make() {
            KvmSystem system = KvmSystem.open(KvmSystem.DEVICE);
            KvmVm vm = system.createVm();
            return new HostVcpu(system, vm, vm.createVcpu(new VcpuId(0)));
        }

        @Override
        public void close() {
            vcpu.close();
            vm.close();
            system.close();
        }
    }

    @Override
    public void close() {
        socket.close();
    }
}
