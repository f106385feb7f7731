package io.xenemu.kvm.attach;

import static com.google.common.base.Preconditions.checkArgument;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.CStruct;
import io.xenemu.kvm.ioctl.CTypes;
import io.xenemu.kvm.ioctl.KvmDescriptor.Link;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// The service's end of a connection to an attached VMM. One thread receives; any thread may send.
///
/// A VMM that does not answer in time loses its connection. What is asked from then on is done, as far as anybody can
/// tell: the machine does not run any more. So a guest that rings one of a VMM that has gone notices nothing.
public final class AttachConnection implements AutoCloseable {
    /// The version of the protocol.
    public static final int VERSION = AttachLayouts.VERSION;

    /// The longest wait for an answer: a VMM whose threads have to wait for a CPU needs some time.
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(20);

    /// What the VMM has answered when it has gone. Its machine does not run any more, so all that is done to it is
    /// done.
    private static final Result GONE = new Result(0, 0, MemorySegment.NULL);

    private static final int RESULT_BYTES = Math.toIntExact(AttachLayouts.XA_RESULT.byteSize());
    private static final long CALL = CTypes.offset(AttachLayouts.XA_IOCTL, "call");

    private final MessageSocket socket;
    private final AtomicInteger lastTag = new AtomicInteger();
    private final Map<Integer, CompletableFuture<Result>> asked = new ConcurrentHashMap<>();
    private volatile boolean lost;

    /// Why the VMM was given up, if it was.
    private volatile @Nullable String fault;

    /// An answer.
    ///
    /// @param result 0 or more, or a negated errno
    private record Result(int result, long value, MemorySegment body) {}

    /// Takes what the VMM asks. Called on the receiving thread, which must not wait for an answer of the VMM.
    @FunctionalInterface
    public interface Requests {
        /// Takes one request.
        ///
        /// @param tag for the answer
        /// @param descriptor of [AttachMessage.Ram] and [AttachMessage.Vcpu], which the callee closes; else -1
        /// @throws WireException if the VMM may not ask that now; it loses its connection
        void asked(int tag, AttachMessage message, int descriptor) throws WireException;
    }

    /// Takes the socket over.
    public AttachConnection(MessageSocket socket) {
        this.socket = socket;
        socket.limitSends(ANSWER_LIMIT);
    }

    /// Receives until the VMM has gone.
    ///
    /// @throws IOException if the connection fails, or the VMM says something that it may not
    public void receive(Requests requests) throws IOException {
        try {
            MessageSocket.Message message;
            while ((message = socket.receive()) != null) {
                take(message, requests);
            }
            String why = fault;
            if (why != null) {
                throw new IOException(why);
            }
        } finally {
            lose();
        }
    }

    private void take(MessageSocket.Message message, Requests requests) throws IOException {
        byte[] bytes = message.bytes();
        ImmutableIntArray descriptors = message.descriptors();
        try {
            int tag;
            AttachMessage decoded;
            boolean isRequest = false;
            try {
                CStruct header = header(bytes);
                tag = header.getInt("tag");
                if (header.get("type") == AttachLayouts.RESULT) {
                    takeAnswer(tag, bytes);
                    return;
                }
                decoded = AttachMessage.decode(bytes);
                if (descriptors.length() != decoded.descriptors()) {
                    throw new WireException(
                            "a message with " + descriptors.length() + " descriptors");
                }
                isRequest = true;
            } finally {
                if (!isRequest) {
                    descriptors.forEach(Libc::close);
                }
            }
            requests.asked(tag, decoded, descriptors.isEmpty() ? -1 : descriptors.get(0));
        } catch (WireException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private static CStruct header(byte[] bytes) throws WireException {
        if (bytes.length < AttachLayouts.XA_HEADER.byteSize()) {
            throw new WireException("a message of " + bytes.length + " bytes");
        }
        return new CStruct(MemorySegment.ofArray(bytes), AttachLayouts.XA_HEADER);
    }

    private void takeAnswer(int tag, byte[] bytes) throws WireException {
        if (bytes.length < RESULT_BYTES) {
            throw new WireException("an answer of " + bytes.length + " bytes");
        }
        CStruct result = new CStruct(MemorySegment.ofArray(bytes), AttachLayouts.XA_RESULT);
        if (result.get("bytes") != bytes.length - RESULT_BYTES) {
            throw new WireException("an answer of " + bytes.length + " bytes");
        }
        CompletableFuture<Result> waiting = asked.remove(tag);
        if (waiting == null) {
            throw new WireException("an answer to nothing");
        }
        MemorySegment body = MemorySegment.ofArray(bytes).asSlice(RESULT_BYTES);
        waiting.complete(new Result(result.getInt("result"), result.get("value"), body));
    }

    // Requests to the VMM.

    /// Has an ioctl carried out.
    ///
    /// @param vcpu Xen's number, or [AttachLayouts#VM]
    /// @return its result, or the negated errno; 0 if the VMM has gone
    int ioctl(int vcpu, long request, long argument) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct message = message(arena, AttachLayouts.XA_IOCTL, AttachLayouts.IOCTL);
            message.set("vcpu", vcpu);
            RemoteCall.write(call(message), request, argument);
            return ask(message.memory()).result;
        }
    }

    /// Has an ioctl with a structure carried out, as [#ioctl(int, long, long)].
    int ioctl(int vcpu, long request, MemorySegment argument, Link... links) {
        try (Arena arena = Arena.ofConfined()) {
            long fixed = AttachLayouts.XA_IOCTL.byteSize();
            MemorySegment memory =
                    arena.allocate(fixed + RemoteCall.bytes(argument, links), Long.BYTES);
            CStruct message = head(memory, AttachLayouts.XA_IOCTL, AttachLayouts.IOCTL);
            message.set("vcpu", vcpu);
            RemoteCall.write(call(message), memory.asSlice(fixed), request, argument, links);
            Result result = ask(memory, descriptors(argument, links));
            if (result.body.byteSize() == memory.byteSize() - fixed) {
                MemorySegment back = arena.allocate(result.body.byteSize() + 1, Long.BYTES);
                back.copyFrom(result.body);
                RemoteCall.readBack(back, argument, links);
            }
            return result.result;
        }
    }

    private static CStruct call(CStruct message) {
        return new CStruct(
                message.memory().asSlice(CALL, AttachLayouts.XA_CALL.byteSize()),
                AttachLayouts.XA_CALL);
    }

    private static int[] descriptors(MemorySegment argument, Link... links) {
        return Arrays.stream(links)
                .filter(link -> link instanceof Link.Descriptor)
                .mapToInt(link -> argument.get(ValueLayout.JAVA_INT_UNALIGNED, link.at()))
                .toArray();
    }

    /// Gives the VMM a memory from which it is to map.
    ///
    /// @param number for [#map]
    void memory(int number, MemFd memory) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct message =
                    message(arena, AttachLayouts.XA_MEMORY, AttachLayouts.MEMORY)
                            .set("memory", number)
                            .set("bytes", memory.size());
            require("xa_memory", ask(message.memory(), memory.fd()));
        }
    }

    /// Tells the VMM that a memory is not needed any more. Its mappings stay.
    void forget(int number) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct message =
                    message(arena, AttachLayouts.XA_FORGET, AttachLayouts.FORGET)
                            .set("memory", number);
            require("xa_forget", ask(message.memory()));
        }
    }

    /// Has a part of a memory mapped.
    ///
    /// @param number of [#memory]; the guest's own with the flag [AttachLayouts#MAP_RAM]
    /// @param flags of `xa_map`
    /// @param address in the VMM; 0 for a new one
    /// @return the address
    long map(int number, int flags, long address, long offset, long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct message =
                    message(arena, AttachLayouts.XA_MAP, AttachLayouts.MAP)
                            .set("memory", number)
                            .set("flags", flags)
                            .set("address", address)
                            .set("offset", offset)
                            .set("bytes", bytes);
            return require("xa_map", ask(message.memory())).value;
        }
    }

    /// Has a mapping of [#map] taken away.
    void unmap(long address, long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct message =
                    message(arena, AttachLayouts.XA_UNMAP, AttachLayouts.UNMAP)
                            .set("address", address)
                            .set("bytes", bytes);
            require("xa_unmap", ask(message.memory()));
        }
    }

    /// Replaces the interrupt routes of the service. A VMM that refuses them is given up: threads of other domains
    /// connect their eventfds by routes, and shall not suffer from that.
    ///
    /// @param entries `struct kvm_irq_routing_entry`, one after the other
    void routes(int count, MemorySegment entries) {
        try (Arena arena = Arena.ofConfined()) {
            long fixed = AttachLayouts.XA_ROUTES.byteSize();
            MemorySegment memory = arena.allocate(fixed + entries.byteSize(), Long.BYTES);
            CStruct _ =
                    head(memory, AttachLayouts.XA_ROUTES, AttachLayouts.ROUTES).set("count", count);
            memory.asSlice(fixed).copyFrom(entries);
            if (ask(memory).result < 0) {
                giveUp("it refuses interrupt routes");
            }
        }
    }

    /// Tells which exits are the service's.
    ///
    /// @param firstPort of `ports` I/O ports
    /// @param msr the hypercall MSR
    public void claim(int firstPort, int ports, int msr) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct message =
                    message(arena, AttachLayouts.XA_CLAIM, AttachLayouts.CLAIM)
                            .set("ports", 1)
                            .set("msrs", 1);
            range(message, "port").set("first", firstPort).set("count", ports);
            range(message, "msr").set("first", msr).set("count", 1);
            require("KVM_X86_SET_MSR_FILTER", ask(message.memory()));
        }
    }

    private static CStruct range(CStruct claim, String member) {
        return new CStruct(
                claim.memory()
                        .asSlice(
                                CTypes.offset(AttachLayouts.XA_CLAIM, member),
                                AttachLayouts.XA_RANGE.byteSize()),
                AttachLayouts.XA_RANGE);
    }

    /// Tells that the guest wants its emulated devices gone.
    ///
    /// @param mask that it has written to the unplug port
    public void unplug(int mask) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct message =
                    message(arena, AttachLayouts.XA_UNPLUG, AttachLayouts.UNPLUG).set("mask", mask);
            require("xa_unplug", ask(message.memory()));
        }
    }

    /// Makes a vCPU leave the guest soon. Does not wait.
    void kick(int vcpu) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct message =
                    message(arena, AttachLayouts.XA_KICK, AttachLayouts.KICK).set("vcpu", vcpu);
            send(message.memory());
        }
    }

    /// Tells that the domain has ended. Does not wait.
    ///
    /// @param reason SHUTDOWN_*
    public void end(int reason) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct message =
                    message(arena, AttachLayouts.XA_END, AttachLayouts.END).set("reason", reason);
            send(message.memory());
        }
    }

    // Answers.

    /// Lets the VMM's HELLO succeed.
    public void welcome(int tag) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct welcome =
                    CStruct.allocate(arena, AttachLayouts.XA_WELCOME)
                            .set("version", AttachLayouts.VERSION);
            answer(tag, 0, 0, welcome.toBytes());
        }
    }

    /// Lets a request succeed.
    ///
    /// @param descriptors for the VMM
    public void done(int tag, int... descriptors) {
        answer(tag, 0, 0, new byte[0], descriptors);
    }

    /// Lets a request fail.
    ///
    /// @param errno positive
    /// @param reason for an operator, in one line
    public void refuse(int tag, int errno, String reason) {
        answer(tag, -errno, 0, reason.getBytes(UTF_8));
    }

    private void answer(int tag, int result, long value, byte[] body, int... descriptors) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(RESULT_BYTES + body.length, Long.BYTES);
            CStruct _ =
                    head(memory, AttachLayouts.XA_RESULT, AttachLayouts.RESULT)
                            .set("header.tag", tag)
                            .set("result", result)
                            .set("bytes", body.length)
                            .set("value", value);
            MemorySegment.copy(body, 0, memory, ValueLayout.JAVA_BYTE, RESULT_BYTES, body.length);
            send(memory, descriptors);
        }
    }

    private static CStruct message(Arena arena, StructLayout layout, int type) {
        return head(arena.allocate(layout), layout, type);
    }

    private static CStruct head(MemorySegment memory, StructLayout layout, int type) {
        return new CStruct(memory, layout).set("header.type", type);
    }

    /// Sends a request, and waits for its answer.
    private Result ask(MemorySegment message, int... descriptors) {
        int tag = lastTag.incrementAndGet();
        CompletableFuture<Result> answer = new CompletableFuture<>();
        asked.put(tag, answer);
        CStruct _ = new CStruct(message, AttachLayouts.XA_HEADER).set("tag", tag);
        send(message, descriptors);
        if (lost) {
            // Perhaps before this one was there.
            loseAsked();
        }
        try {
            return answer.get(ANSWER_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            giveUp("it does not answer within %d s".formatted(ANSWER_LIMIT.toSeconds()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return GONE;
    }

    private void send(MemorySegment message, int... descriptors) {
        checkArgument(descriptors.length <= AttachLayouts.MAX_DESCRIPTORS, "too many descriptors");
        try {
            socket.send(message.toArray(ValueLayout.JAVA_BYTE), descriptors);
        } catch (IOException e) {
            lose();
        }
    }

    private static Result require(String call, Result result) {
        if (result.result < 0) {
            throw new KvmException(call, -result.result, "in the attached VMM");
        }
        return result;
    }

    /// Whether the VMM has gone.
    public boolean isLost() {
        return lost;
    }

    /// Gives the VMM up. [#receive] returns. Works from any thread, and twice.
    public void lose() {
        lost = true;
        socket.shutdown();
        loseAsked();
    }

    private void loseAsked() {
        asked.values().forEach(it -> it.complete(GONE));
        asked.clear();
    }

    /// Gives the VMM up as [#lose], for a reason that [#receive] tells.
    void giveUp(String why) {
        fault = why;
        lose();
    }

    /// Closes the socket. No other thread uses the connection.
    @Override
    public void close() {
        lose();
        socket.close();
    }
}
