package io.xenemu.core.xenstore;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.service.StoreSocketPath;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// The common part of the commands: the connection, and the transaction, which is repeated after a conflict. A failure
/// is reported in one line, with exit code 1.
@Command(
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeOnInvalidInput = XenstoreCommand.FAILED)
abstract class StoreTool implements Callable<Integer> {
    @Option(names = "-s", hidden = true, description = "Has no effect, as with the Xen tools.")
    @SuppressWarnings("UnusedVariable") // that is what it is for
    private boolean socket;

    /// The work of a command in a transaction; may run more than once.
    @FunctionalInterface
    interface Work {
        /// Does the work, and prints output that is shown after the commit.
        ///
        /// @throws ToolFailed if the transaction must not be committed
        void run(StoreConnection store, ToolOutput output)
                throws IOException, RequestFailed, ToolFailed;
    }

    /// The command has failed; the message is one line for the user.
    static final class ToolFailed extends Exception {
        private static final long serialVersionUID = 1L;

        ToolFailed(String message) {
            super(message);
        }
    }

    @Override
    public final Integer call() throws HostException {
        Path path = StoreSocketPath.of(System.getenv());
        try (StoreConnection store = StoreConnection.open(path)) {
            run(store);
            return 0;
        } catch (ToolFailed e) {
            if (e.getMessage() != null && !e.getMessage().isEmpty()) {
                System.err.println("xen-emu: " + e.getMessage());
            }
            return XenstoreCommand.FAILED;
        } catch (RequestFailed e) {
            throw new HostException("XenStore at " + path + ": " + e.getMessage(), e);
        } catch (IOException e) {
            throw new HostException("XenStore at " + path + ": " + IoReason.withoutFile(e), e);
        }
    }

    abstract void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed;

    /// Does `work`, in a transaction if `transaction` is set, and then prints its output.
    static void perform(StoreConnection store, boolean transaction, Work work)
            throws IOException, RequestFailed, ToolFailed {
        ToolOutput output = new ToolOutput();
        while (!attempt(store, transaction, work, output)) {
            output.discard();
        }
        output.writeTo(System.out);
    }

    private static boolean attempt(
            StoreConnection store, boolean transaction, Work work, ToolOutput output)
            throws IOException, RequestFailed, ToolFailed {
        if (transaction) {
            store.begin();
        }
        try {
            work.run(store, output);
        } catch (ToolFailed e) {
            if (transaction) {
                store.end(false);
            }
            output.writeTo(System.out); // the output before the failure, as the Xen tools do
            throw e;
        }
        try {
            if (transaction) {
                store.end(true);
            }
            return true;
        } catch (RequestFailed e) {
            if (e.is("EAGAIN")) {
                return false;
            }
            throw e;
        }
    }
}
