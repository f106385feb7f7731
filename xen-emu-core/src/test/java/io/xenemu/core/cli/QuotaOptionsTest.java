package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.quota.Quotas;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

final class QuotaOptionsTest {
    @Command
    private static final class Daemon {
        @Mixin private QuotaOptions options = new QuotaOptions();
    }

    private static Quotas parse(String... arguments) {
        return CommandLine.populateCommand(new Daemon(), arguments).options.quotas();
    }

    @Test
    void withoutOptionsTheDefaultsApply() {
        assertEquals(Quotas.DEFAULT, parse());
    }

    @Test
    void eachOptionSetsTheQuotaItNames() {
        Quotas expected =
                Quotas.DEFAULT
                        .with(Quota.NODES, 7)
                        .with(Quota.WATCHES, 0)
                        .with(Quota.SOFT_MEMORY, 9);

        assertEquals(
                expected, parse("-Q", "nodes=7", "--quota=watches=0", "--quota-soft", "memory=9"));
    }

    @Test
    void lastSettingOfAQuotaCounts() {
        assertEquals(Quotas.DEFAULT.with(Quota.NODES, 2), parse("-Q", "nodes=1", "-Q", "nodes=2"));
    }
}
