package io.xenemu.core.service;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.RemoteLine;
import io.xenemu.core.domain.RemoteLines;
import io.xenemu.core.host.Teardown;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.iohub.IoHubMessage;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/// One process of remote devices. Its thread alone uses this, but for the end of the domain, which ends the connection.
final class RemoteProcess implements AutoCloseable {
    /// The longest wait for room in the socket: a process that does not read what it has asked for is given up.
    private static final Duration SEND_LIMIT = Duration.ofSeconds(1);

    /// The most lines that it has been given and not confirmed: each is memory here.
    private static final int MAX_UNCONFIRMED = IoHubMessage.PIRQS;

    private final MessageSocket socket;
    private final IntFunction<Optional<Domain>> domains;
    private final Map<Integer, Line> lines = new HashMap<>();

    /// Lines whose descriptors the process has not confirmed.
    private final Map<Integer, Given> unconfirmed = new HashMap<>();

    private int lastTag;
    private @Nullable Domain domain;

    private static final class Line {
        final RemoteLine line;
        long raises;
        long reraises;

        Line(RemoteLine line) {
            this.line = line;
        }
    }

    /// @param request the tag of the request that waits for it
    private record Given(int request, int pirq, Line line) {}

    /// @param socket stays the caller's
    /// @param domains finds a domain by its id
    RemoteProcess(MessageSocket socket, IntFunction<Optional<Domain>> domains) {
        this.socket = socket;
        this.domains = domains;
        socket.limitSends(SEND_LIMIT);
    }

    /// Serves it until it or its domain has gone.
    ///
    /// @throws IOException if it says something that it may not, or does not read
    void serve() throws IOException {
        MessageSocket.Message message;
        while ((message = socket.receive()) != null) {
            // No message to the service has descriptors.
            message.closeDescriptors();
            try {
                take(IoHubMessage.decode(message.bytes(), message.descriptors().length()));
            } catch (WireException e) {
                throw new IOException(e.getMessage(), e);
            }
        }
    }

    private void take(IoHubMessage message) throws IOException, WireException {
        switch (message) {
            case IoHubMessage.Hello hello -> hello(hello);
            case IoHubMessage.Result result -> confirmed(result);
            case IoHubMessage.Connect connect -> {
                if (unconfirmed.size() == MAX_UNCONFIRMED) {
                    throw new WireException("it confirms no descriptors");
                }
                connect(connect, greeted());
            }
            case IoHubMessage.Release release -> {
                Domain _ = greeted();
                boolean had = release(release.pirq());
                answer(release.tag(), had ? 0 : -Errno.ENOENT);
            }
            case IoHubMessage.Counts counts -> count(counts, greeted());
            case IoHubMessage.SetIrqfd _ -> throw new WireException("it gives descriptors");
        }
    }

    private Domain greeted() throws WireException {
        Domain known = domain;
        if (known == null) {
            throw new WireException("it has not said hello");
        }
        return known;
    }

    private void answer(int tag, int result) throws IOException {
        socket.send(new IoHubMessage.Result(tag, result).encode());
    }

    private void hello(IoHubMessage.Hello hello) throws IOException, WireException {
        if (domain != null) {
            throw new WireException("it says hello again");
        }
        Optional<Domain> found = domains.apply(hello.domid());
        if (hello.version() != IoHubMessage.VERSION) {
            answer(hello.tag(), -Errno.EOPNOTSUPP);
        } else if (found.isEmpty()) {
            answer(hello.tag(), -Errno.ESRCH);
        } else {
            domain = found.get();
            answer(hello.tag(), 0);
        }
    }

    /// Gives it a line; in place of the one that it has, if it asks again.
    private void connect(IoHubMessage.Connect connect, Domain of) throws IOException {
        int pirq = connect.pirq();
        if (!RemoteLines.exists(pirq)) {
            answer(connect.tag(), -Errno.EINVAL);
            return;
        }
        boolean _ = release(pirq);
        Line line;
        try {
            line = new Line(of.remoteLines().open(pirq, socket::shutdown));
        } catch (KvmException e) {
            answer(connect.tag(), -e.errno());
            return;
        }
        lines.put(pirq, line);
        int tag = ++lastTag;
        unconfirmed.put(tag, new Given(connect.tag(), pirq, line));
        line.line.give((irqfd, resamplefd) ->
                socket.send(new IoHubMessage.SetIrqfd(tag, pirq).encode(), irqfd, resamplefd));
    }

    private void confirmed(IoHubMessage.Result result) throws IOException, WireException {
        Given given = unconfirmed.remove(result.tag());
        if (given == null) {
            throw new WireException("an answer to nothing");
        }
        // It may have asked for other descriptors meanwhile.
        if (result.result() < 0 && lines.get(given.pirq) == given.line) {
            boolean _ = release(given.pirq);
        }
        answer(given.request, result.result());
    }

    private void count(IoHubMessage.Counts counts, Domain of) throws IOException {
        Line line = lines.get(counts.pirq());
        if (line == null) {
            answer(counts.tag(), -Errno.ENOENT);
            return;
        }
        long raises = counts.raises() - line.raises;
        long reraises = counts.reraises() - line.reraises;
        if (raises < 0 || reraises < 0) {
            answer(counts.tag(), -Errno.EINVAL);
            return;
        }
        line.raises += raises;
        line.reraises += reraises;
        of.remoteLines().counters().told(raises, reraises);
        answer(counts.tag(), 0);
    }

    /// @return whether it had the line
    private boolean release(int pirq) {
        Line line = lines.remove(pirq);
        Domain of = domain;
        if (line == null || of == null) {
            return false;
        }
        of.remoteLines().close(line.line);
        return true;
    }

    /// Takes all lines back.
    @Override
    public void close() {
        Teardown ends = new Teardown();
        for (Integer pirq : lines.keySet().toArray(Integer[]::new)) {
            ends.add(() -> release(pirq));
        }
        ends.close();
    }
}
