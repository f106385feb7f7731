/// Images of guests that real Xen has saved (`xl save`), so that the guests can go on here. An image has three layers:
/// xl's header, libxl's stream, and libxc's image in it. `docs/xen-images.md` has the table of their records.
///
/// Start at [XenImageReader], which gives a [XenImage] or, in short, a [XenImageReport]. A guest that is saved has
/// suspended itself, so all that Xen keeps of it for its event channels, grants and XenStore is not in the image.
///
/// Families of files:
///
/// - The layers: [XlHeader] with the configuration ([XlConfig]); [LibxlStream]; [LibxcImage]. They read from
///   [ImageInput].
/// - Kinds of records, and what is done with them: [RecordKind], [Fate]; [LibxlRecord], [LibxcRecord], [HvmRecord].
/// - Records of libxc's image: [PolicyRecords], [TscRecord], [ParamsRecord], [HvmContext].
/// - Records of the HVM context: [CpuContext], [LapicContext], [MsrContext], [XsaveContext]; as KVM has them, together:
///   [ImportedVcpus].
/// - Memory: [ImportedMemory], [PageSet], [PageSink], [PageSpool].
///
/// No locks: one thread reads an image.
@NullMarked
package io.xenemu.core.xenimage;

import org.jspecify.annotations.NullMarked;
