/// The one composition root: dispatcher, domains, VMM, back ends, service and command line.
module io.xenemu.core {
    requires io.xenemu.kvm;
    requires io.xenemu.evtchn;
    requires io.xenemu.gnttab;
    requires io.xenemu.xenstore;
    requires io.prometheus.metrics.model;
    requires com.google.common;
    requires jdk.httpserver;
    requires jdk.jfr;
    requires micrometer.core;
    requires micrometer.registry.prometheus;
    requires org.slf4j;
    requires com.github.luben.zstd_jni;
    requires info.picocli;
    requires ch.qos.logback.classic;
    requires ch.qos.logback.core;
    requires static com.google.errorprone.annotations;
    requires static org.jspecify;

    provides ch.qos.logback.classic.spi.Configurator with
            io.xenemu.core.cli.LogConfigurator;

    opens io.xenemu.core.cli to
            info.picocli;
    opens io.xenemu.core.demo to
            info.picocli;
    opens io.xenemu.core.lab to
            info.picocli;
    opens io.xenemu.core.xenstore to
            info.picocli;
}
