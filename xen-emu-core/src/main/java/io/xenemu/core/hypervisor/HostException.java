package io.xenemu.core.hypervisor;

/// Thrown when the host lacks something that a command needs: no KVM, no Xen in it, a port or file that cannot be
/// opened. The message is one line for an operator.
public final class HostException extends Exception {
    private static final long serialVersionUID = 1L;

    public HostException(String message) {
        super(message);
    }

    public HostException(String message, Throwable cause) {
        super(message, cause);
    }
}
