package io.xenemu.xenstore;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.wire.Request;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The commands of CONTROL that make sense for a daemon of this kind. Unknown or malformed ones are EINVAL.
final class ControlCommands {
    private static final Logger LOG = LoggerFactory.getLogger(ControlCommands.class);
    private static final String HELP = "check\nhelp\nprint <string>\n";

    private final XenStore store;

    ControlCommands(XenStore store) {
        this.store = store;
    }

    byte[] run(Request.Control control) throws XenError {
        List<String> words = control.words();
        if (words.isEmpty()) {
            throw XenError.EINVAL;
        }
        String answer =
                switch (words.getFirst()) {
                    case "help" -> HELP;
                    case "check" -> {
                        store.check();
                        yield "OK";
                    }
                    case "print" -> {
                        if (words.size() != 2) {
                            throw XenError.EINVAL;
                        }
                        LOG.info("control print: {}", words.get(1));
                        yield "OK";
                    }
                    default -> throw XenError.EINVAL;
                };
        return (answer + "\0").getBytes(StandardCharsets.ISO_8859_1);
    }
}
