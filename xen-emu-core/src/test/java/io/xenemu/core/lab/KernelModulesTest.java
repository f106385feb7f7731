package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class KernelModulesTest {
    @TempDir private Path tree = Path.of("");

    @BeforeEach
    void modules() throws IOException {
        module("kernel/virt/lib/irqbypass.ko", "");
        module("kernel/arch/x86/kvm/kvm.ko", "irqbypass");
        module("kernel/drivers/crypto/ccp/ccp.ko", "");
        module("kernel/arch/x86/kvm/kvm-amd.ko", "kvm,ccp");
    }

    @Test
    void dependenciesOfAModuleComeBeforeIt() throws IOException {
        assertEquals(List.of("irqbypass", "kvm", "ccp", "kvm_amd"), order(List.of("kvm-amd")));
    }

    @Test
    void dashAndUnderscoreAreTheSame() throws IOException {
        assertEquals(order(List.of("kvm-amd")), order(List.of("kvm_amd")));
    }

    @Test
    void aModuleThatTwoNeedComesOnce() throws IOException {
        module("kernel/arch/x86/kvm/kvm-intel.ko", "kvm");

        assertEquals(
                List.of("irqbypass", "kvm", "ccp", "kvm_amd", "kvm_intel"),
                order(List.of("kvm-amd", "kvm-intel")));
    }

    @Test
    void builtInModulesAreLeftOut() throws IOException {
        module("kernel/net/9p/9pnet_virtio.ko", "virtio,virtio_ring");

        assertEquals(List.of("9pnet_virtio"), order(List.of("9pnet_virtio", "virtio-pci")));
    }

    @Test
    void compressedModulesAreDecompressed() throws IOException {
        Files.writeString(tree.resolve("xenfs.ko.xz"), "compressed");
        KernelModules modules =
                new KernelModules(tree, file -> "\0depends=ccp\0plain".getBytes(ISO_8859_1));

        var loaded = modules.withDependencies(List.of("xenfs"));

        assertEquals(List.of("ccp", "xenfs"), List.copyOf(loaded.sequencedKeySet()));
        KernelModules.Module xenfs = loaded.lastEntry().getValue();
        assertEquals("xenfs.ko", xenfs.name());
        assertArrayEquals("\0depends=ccp\0plain".getBytes(ISO_8859_1), xenfs.content().read());
    }

    @Test
    void circularDependenciesAreRefused() throws IOException {
        module("a.ko", "b");
        module("b.ko", "a");

        assertThrows(LabException.class, () -> order(List.of("a")));
    }

    private List<String> order(List<String> names) throws IOException {
        KernelModules modules =
                new KernelModules(
                        tree,
                        file -> {
                            throw new AssertionError(file + " is not compressed");
                        });
        return List.copyOf(modules.withDependencies(names).sequencedKeySet());
    }

    private void module(String path, String depends) throws IOException {
        Path file = tree.resolve(path);
        Files.createDirectories(file.resolve("..").normalize());
        Files.writeString(
                file, "\u007fELF\0license=GPL\0depends=" + depends + "\0retpoline=Y\0", ISO_8859_1);
    }
}
