/*
 * What Linux 6.12 has and older headers lack, so that the probe needs nothing newer than Linux 6.1
 * (Debian 12). With headers that have it, those are used and this file adds nothing.
 *
 * The two structures are declared in full under other names, and checked to be the installed ones plus these members.
 */
#ifndef KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG
#define KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG (1 << 6)
#endif
#ifndef KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE
#define KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE (1 << 7)
#endif
#ifndef KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG
#define KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG 0x5
#endif
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif

#ifndef KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA
#define KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA (1 << 8)
#define KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA 0x6
#define KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA 0x9

struct newer_xen_hvm_attr {
    __u16 type;
    __u16 pad[3];
    union {
        __u8 long_mode;
        __u8 vector;
        __u8 runstate_update_flag;
        union {
            __u64 gfn;
            __u64 hva;
        } shared_info;
        struct {
            __u32 send_port;
            __u32 type;
            __u32 flags;
            union {
                struct {
                    __u32 port;
                    __u32 vcpu;
                    __u32 priority;
                } port;
                struct {
                    __u32 port;
                    __s32 fd;
                } eventfd;
                __u32 padding[4];
            } deliver;
        } evtchn;
        __u32 xen_version;
        __u64 pad[8];
    } u;
};

struct newer_xen_vcpu_attr {
    __u16 type;
    __u16 pad[3];
    union {
        __u64 gpa;
        __u64 hva;
        __u64 pad[8];
        struct {
            __u64 state;
            __u64 state_entry_time;
            __u64 time_running;
            __u64 time_runnable;
            __u64 time_blocked;
            __u64 time_offline;
        } runstate;
        __u32 vcpu_id;
        struct {
            __u32 port;
            __u32 priority;
            __u64 expires_ns;
        } timer;
        __u8 vector;
    } u;
};

#define SAME_SIZE(a, b) _Static_assert(sizeof(struct a) == sizeof(struct b), #a)
#define SAME_PLACE(a, b, m) _Static_assert(offsetof(struct a, m) == offsetof(struct b, m), #a "." #m)

SAME_SIZE(newer_xen_hvm_attr, kvm_xen_hvm_attr);
SAME_PLACE(newer_xen_hvm_attr, kvm_xen_hvm_attr, u.shared_info.gfn);
SAME_PLACE(newer_xen_hvm_attr, kvm_xen_hvm_attr, u.evtchn.deliver.port.priority);
SAME_PLACE(newer_xen_hvm_attr, kvm_xen_hvm_attr, u.evtchn.deliver.eventfd.fd);
SAME_PLACE(newer_xen_hvm_attr, kvm_xen_hvm_attr, u.xen_version);
SAME_SIZE(newer_xen_vcpu_attr, kvm_xen_vcpu_attr);
SAME_PLACE(newer_xen_vcpu_attr, kvm_xen_vcpu_attr, u.runstate.time_offline);
SAME_PLACE(newer_xen_vcpu_attr, kvm_xen_vcpu_attr, u.timer.expires_ns);

#define kvm_xen_hvm_attr newer_xen_hvm_attr
#define kvm_xen_vcpu_attr newer_xen_vcpu_attr
#endif
